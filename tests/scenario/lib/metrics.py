"""Reads the Prometheus text of /metrics."""
import re

LINE = re.compile(r"^([A-Za-z_:][A-Za-z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([A-Za-z_][A-Za-z0-9_]*)="((?:[^"\\]|\\.)*)",?')


class Metrics:
    def __init__(self, text):
        self.text = text
        self.samples = []  # (name, labels, value)
        for line in text.splitlines():
            if not line or line.startswith("#"):
                continue
            match = LINE.match(line)
            if not match:
                raise ValueError(f"not a line of Prometheus text: {line!r}")
            labels = dict(LABEL.findall(match.group(2) or ""))
            self.samples.append((match.group(1), labels, float(match.group(3))))

    def series(self, name, **labels):
        """[(labels, value)] of a row, those that carry all of `labels`."""
        return [(have, value) for sample, have, value in self.samples
                if sample == name and labels.items() <= have.items()]

    def total(self, name, **labels):
        """The sum over a row's series; 0 when there is none."""
        return sum(value for _, value in self.series(name, **labels))

    def by(self, name, label):
        """{label's value: sum}."""
        sums = {}
        for labels, value in self.series(name):
            key = labels.get(label)
            sums[key] = sums.get(key, 0) + value
        return sums

    def buckets(self, name):
        """{upper bound: observations up to it} of a histogram, all series together."""
        return {float(bound): count for bound, count in self.by(f"{name}_bucket", "le").items()}
