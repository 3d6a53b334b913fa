#!/usr/bin/env bash
# Measures sluice beside other proxies with the proxy bench, a folder of its own ($PROXY_BENCH, default: ../shared/bench
# beside the checkout). Three sluices stand in the same rounds, one worker each, the access line into a file, four
# endpoints: `sluice` passes bodies unread (inspect: off), `inspected` reads model, stream and usage of each, `priced` also
# knows what each endpoint has of each prompt (route: price, the default). At the end ratios.py prints what each needs in
# parts of the best peer's.
#
#   tests/bench/proxies.sh                                         everything, about an hour
#   tests/bench/proxies.sh --peers haproxy --tests h1,tls --rounds 3
#
# Arguments are the bench's own; see its README.md. Nothing else should run on the machine meanwhile.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
bench=${PROXY_BENCH:-$root/../shared/bench}
binary=${SLUICE_BUILD:-$root/build}/sluice
[ -x "$bench/run.sh" ] || { echo "SKIP: no proxy bench at $bench; name its folder with PROXY_BENCH" >&2; exit 77; }
[ -x "$binary" ] || { echo "build it first: cmake --preset default && cmake --build --preset default" >&2; exit 1; }

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 -subj /CN=localhost \
	-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout "$scratch/tls.key" -out "$scratch/tls.crt" 2>/dev/null

# configuration NAME FIRST-PORT INSPECT ROUTE: cleartext on the port, TLS on the next one.
configuration() {
	cat >"$scratch/$1.yaml" <<-YAML
		workers: 1
		access_log: $scratch/$1.log
		listeners:
		  - { address: "127.0.0.1:$2" }
		  - { address: "127.0.0.1:$(($2 + 1))", tls: { certificate: $scratch/tls.crt, key: $scratch/tls.key } }
		models:
		  - { name: "*", pool: engines, inspect: $3 }
		pools:
		  - name: engines
		    engine: vllm
		    route: $4
		    health: { active: off }
		    endpoints: [ "http://127.0.0.1:9001", "http://127.0.0.1:9002", "http://127.0.0.1:9003", "http://127.0.0.1:9004" ]
	YAML
	"$binary" check "$scratch/$1.yaml"
}
configuration sluice 8300 off least_requests
configuration inspected 8310 on least_requests
configuration priced 8320 on price

# The results' folder: --out's, where it is given.
results=
previous=
for argument in "$@"; do
	case "$previous=$argument" in
	--out=*) results=$argument ;;
	*=--out=*) results=${argument#--out=} ;;
	esac
	previous=$argument
done
if [ -z "$results" ]; then
	results=$(mktemp -d "${TMPDIR:-/tmp}/sluice-proxies-XXXXXX")
	set -- --out "$results" "$@"
fi

"$bench/run.sh" \
	--add sluice --cmd "$binary run -c $scratch/sluice.yaml" --h1 8300 --h2c 8300 --tls 8301 \
	--add inspected --cmd "$binary run -c $scratch/inspected.yaml" --h1 8310 --h2c 8310 --tls 8311 \
	--add priced --cmd "$binary run -c $scratch/priced.yaml" --h1 8320 --h2c 8320 --tls 8321 \
	"$@"
python3 "$here/ratios.py" "$results"
