#!/bin/sh
# Writes the licenses and notices of all modules that are linked into the program,
# and of Go itself, to the standard output. google/go-licenses finds them; it fails
# where a module has none, or one that is not allowed.
#
# usage: licenses.sh GO-LICENSES-MODULE
set -eu

go=${GO:-go}
program=./cmd/etcd-watchdog
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT

# Permissive licenses only: the program itself is Apache-2.0.
$go run "$1" check --allowed_licenses=Apache-2.0,MIT,BSD-2-Clause,BSD-3-Clause,ISC "$program" >&2
$go run "$1" save --force --save_path="$found/modules" "$program" >&2

cat <<'END'
etcd-watchdog is licensed under the Apache License 2.0. The program contains the
modules below, each under its own license. Written by "make fix-licenses".
END
(cd "$found/modules" && find . -type f ! -path './github.com/etcd-watchdog/*' | LC_ALL=C sort) | while read -r file; do
	file=${file#./}
	printf '\n%s\n%s\n\n' "================================================================================" "${file%/*} (${file##*/})"
	cat "$found/modules/$file"
done
printf '\n%s\n%s\n\n' "================================================================================" "Go's standard library and runtime (LICENSE)"
cat "$($go env GOROOT)/LICENSE"
