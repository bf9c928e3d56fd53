# SPDX-License-Identifier: MIT
# Keeps a record of what programs were shown to do, for the table of docs/programs.md.
failed=0
failures=0
judged=0
fail() { echo "FAILED: $*"; failed=1; failures=$((failures + 1)); }

# PACKAGES WAY WHAT CHECK: what was done since the last call, and how its result was checked.
proved() {
    programs=
    for package in $1; do
        programs="$programs${programs:+, }$(grep "^$package " /usr/share/testbed/packages)"
    done
    result=passed
    [ $failures = $judged ] || result=failed
    judged=$failures
    printf '{"programs":"%s","way":"%s","what":"%s","check":"%s","result":"%s"}\n' "$programs" "$2" "$3" "$4" "$result" \
        >> "$RESULTS/programs.jsonl"
    tb say "$programs by $2: $result"
}

sum_of() { sha256sum "$@" | cut -d' ' -f1; }
