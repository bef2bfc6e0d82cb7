# Read by the other scripts: plain lines in the reader's language, and Debian's
# packages where this account may install them.

language=${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}

t() { # English text, German text
  case $language in
    de*) printf '%s' "$2" ;;
    *) printf '%s' "$1" ;;
  esac
}

say() { printf '%s\n' "$1"; }

step() { printf '[%s/%s]' "$1" "${SETUP_STEPS:-2}"; }

ok() { printf '%s %-62s ok\n' "$(step "$1")" "$2"; }

bar() { # done, total: twenty cells
  local filled=$(($1 * 20 / ($2 > 0 ? $2 : 1))) cells='' cell
  for ((cell = 0; cell < 20; cell++)); do
    if [ $cell -lt $filled ]; then cells+='━'; else cells+='·'; fi
  done
  printf '%s' "$cells"
}

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; }

debian_install() {
  local answer
  if answer=$(
    export DEBIAN_FRONTEND=noninteractive
    exec 2>&1 </dev/null
    apt-get install -y -q --no-install-recommends "$@" ||
      { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }
  ); then
    return 0
  fi
  printf '%s\n' "$answer" | tail -n 3 >&2
  return 1
}
