#!/bin/sh
# Runs one fuzz target for $FUZZ_SECONDS (20) over its stored seeds; what it finds on the way is kept in the build folder.
target=$1
name=$(basename "$target")
seeds=$(dirname "$0")/corpus/$name
found=$(dirname "$target")/corpus/$name
mkdir -p "$found"
[ -d "$seeds" ] || { echo "no seeds for $name"; exit 1; }
exec "$target" -max_total_time="${FUZZ_SECONDS:-20}" -timeout=10 -rss_limit_mb=2048 -max_len=65536 -print_final_stats=1 \
	-artifact_prefix="$found/../$name-" "$found" "$seeds"
