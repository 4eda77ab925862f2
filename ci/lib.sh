# What the scripts in ci/ share. Sourced, never run. Leaves the shell in the root of the source tree.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly libtorch_version=2.11.0
readonly libtorch_prefix=.deps/libtorch-$libtorch_version

say() {
  printf '\n== %s\n' "$*"
}

# die MESSAGE [LINE…]: what is missing, and what to do about it.
die() {
  printf '\nci/%s: %s\n' "${0##*/}" "$1" >&2
  shift
  if (($# > 0)); then printf '  %s\n' "$@" >&2; fi
  exit 1
}

# need_space FOLDER MEGABYTES WHAT: there must be that much left on the disk FOLDER lies on.
need_space() {
  local free_mb
  free_mb=$(df --output=avail --block-size=1M "$1" | tail -n 1 | tr -d ' ')
  if ((free_mb < $2)); then
    die "$3 needs $2 MB in $(cd "$1" && pwd), and $free_mb MB are free" "Free some space and run this again."
  fi
}

# need_command COMMAND PACKAGE
need_command() {
  command -v "$1" >/dev/null || die "$1 is missing (Debian: $2)" "ci/setup installs it."
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  else
    sudo -n -- "$@"
  fi
}

# Compilations at once: a translation unit of LibTorch's takes up to 1.5 GB.
jobs() {
  local by_memory
  by_memory=$(awk '/^MemAvailable:/ { print int($2 / 1500000) }' /proc/meminfo)
  local cores
  cores=$(nproc)
  local n=$((by_memory < cores ? by_memory : cores))
  echo $((n > 0 ? n : 1))
}

# Our own C++ files, those not yet committed included.
own_sources() {
  local folders=(script engine oracle properties campaign report cli adapters fixtures bench)
  if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
    git ls-files --cached --others --exclude-standard -- "${folders[@]}" | grep -E '\.(cpp|h)$' |
      while IFS= read -r file; do [[ -f $file ]] && printf '%s\n' "$file"; done
  else
    find "${folders[@]}" -name '*.cpp' -o -name '*.h'
  fi
}
