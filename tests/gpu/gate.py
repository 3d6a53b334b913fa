#!/usr/bin/env python3
"""gate.py [FOLDER]: compiles the tokenizer's cores as device code, within recorded budgets, and links the selftest.

nvcc is the one on the path, or PyPI's, installed once below build/sdk. FOLDER (default: build/gpu) gets `selftest`, which can be
carried to any machine with a driver, and its cases. Then the selftest is run as far as this machine can: with its driver, or
without one, where it must say so; and with a made-up driver that runs the kernels on the processor. Exit status 77: no nvcc.
"""
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "gpu"
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from sdk import fetched  # noqa: E402

ARCHITECTURES = (75, 80, 86, 89, 90)
# Registers of a thread at most. Recorded from nvcc 13.0.88 over all five, and a few to spare; more of them and fewer threads run.
REGISTERS = {"walk": 40, "sync_points": 24, "segments": 36, "merge": 52, "chase": 24, "nothing": 8, "notify": 10, "read_mapped": 20}
STACK_BYTES = 0
KERNEL = re.compile(r"Compiling entry function '(\w+)' for 'sm_(\d+)'.*?(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads.*?Used (\d+) registers", re.S)


def run(*command, **options):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)


def compile_all(nvcc, include, folder):
    """What is wrong with the device code, a line each; leaves kernels.fatbin."""
    targets = [part for number in ARCHITECTURES for part in ("-gencode", f"arch=compute_{number},code=sm_{number}")]
    done = run(nvcc, "-I", ROOT, "-I", include, *targets, "-gencode", "arch=compute_75,code=compute_75", "--fatbin", "-Xptxas", "-v", "-o", folder / "kernels.fatbin",
               HERE / "kernels.cu")
    if done.returncode != 0:
        return [done.stderr[-3000:]]
    found = KERNEL.findall(done.stderr)
    wrong = [f"{name} sm_{number}: stack {stack}, spills {stores} and {loads}, registers {registers} of {REGISTERS.get(name)}"
             for name, number, stack, stores, loads, registers in found
             if int(stack) > STACK_BYTES or int(stores) or int(loads) or int(registers) > REGISTERS.get(name, 0)]
    if len(found) != len(REGISTERS) * len(ARCHITECTURES):
        wrong.append(f"{len(found)} kernels were compiled, not {len(REGISTERS)} for each of {len(ARCHITECTURES)} targets")
    for name in sorted(REGISTERS):
        print(f"{name:<12} registers " + ", ".join(f"sm_{number} {registers}" for kernel, number, *_, registers in found if kernel == name))
    return wrong


def link(folder):
    """What is wrong with the host's side; leaves `selftest` and the made-up driver."""
    image = folder / "image.s"
    image.write_text(f'.section .rodata\n.balign 64\n.globl kernels_image\nkernels_image: .incbin "{folder / "kernels.fatbin"}"\n.section .note.GNU-stack,"",@progbits\n')
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-I", ROOT)
    host = ROOT / "gateway" / "token" / "unicode.c"
    commands = ((*flags, "-o", folder / "selftest", *sorted(HERE.glob("selftest*.c")), HERE / "measure.c", host, image, "-ldl"),
                (*flags, "-shared", "-fPIC", "-o", folder / "libfake.so", HERE / "fake_driver.c", host))
    return [done.stderr[-3000:] for done in (run("cc", *command) for command in commands) if done.returncode != 0]


def try_out(folder, cases):
    """What is wrong with the selftest's runs."""
    wrong = []
    libraries = run("ldd", folder / "selftest").stdout
    if re.search(r"cuda|stdc\+\+", libraries):
        wrong.append(f"the selftest needs more than libc:\n{libraries}")
    real = run(folder / "selftest", *cases, timeout=300)
    print(real.stdout.strip())
    if real.returncode not in (0, 77) or (real.returncode == 77 and "SKIP: no GPU" not in real.stdout):
        wrong.append(f"selftest: status {real.returncode} {real.stderr[-500:]}")
    emulated = run(folder / "selftest", *cases, env={"LIBCUDA": str(folder / "libfake.so")}, timeout=300)
    print("\n".join(line for line in emulated.stdout.splitlines() if "texts:" in line or line.startswith("device")))
    if emulated.returncode != 0 or "dependent loads" not in emulated.stdout:
        wrong.append(f"emulated selftest: status {emulated.returncode} {emulated.stdout[-500:]} {emulated.stderr[-500:]}")
    return wrong


def main(folder):
    if not shutil.which("cc") or not shutil.which("g++"):
        print("SKIP: nvcc needs g++, which is not installed")
        return 77
    try:
        nvcc, include = fetched.nvcc()
    except fetched.Missing as error:
        print(f"SKIP: no nvcc: {error}")
        return 77
    folder.mkdir(parents=True, exist_ok=True)
    wrong = compile_all(nvcc, include, folder) or link(folder)
    if not wrong:
        cases = []
        if (ROOT.parent / "shared" / "vectors").is_dir():
            run(sys.executable, HERE / "cases.py", folder, check=True)
            cases = sorted(folder.glob("*.cases"))
        else:
            print("SKIP: ../shared/vectors is not here: kernels are compiled, but run over nothing")
        wrong = try_out(folder, cases)
    print("\n".join(f"WRONG: {line}" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "build" / "gpu"))
