# Sourced by the other scripts: installs what is missing on Debian, and says what is needed elsewhere.
# shellcheck shell=bash

ROOT="$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)"
MYSQL_TREE="${XDG_CACHE_HOME:-$HOME/.cache}/repwatch/mysql"
MARIADB_PLUGINS="${XDG_CACHE_HOME:-$HOME/.cache}/repwatch/mariadb-plugins"

say() { printf '%s\n' "$*" >&2; }

die() {
  say "error: $1"
  shift
  local line
  for line in "$@"; do say "  $line"; done
  exit 2
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  elif command -v sudo > /dev/null; then
    sudo -- "$@"
  else
    die "this needs root: $*" "run the script as root, or install sudo"
  fi
}

# install_packages PACKAGE…: from Debian, quietly. Only those for the long tests start services.
install_packages() {
  [ $# -gt 0 ] || return 0
  command -v apt-get > /dev/null \
    || die "missing: $*" "this is no Debian system: install what these packages hold by other means, then run this again"
  say "installing Debian packages: $*"
  local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0)
  local log
  log="$(mktemp)"
  if ! as_root "${apt[@]}" install --no-install-recommends -y "$@" > "$log" 2>&1; then
    # The package lists may be missing or old.
    if ! { as_root "${apt[@]}" update && as_root "${apt[@]}" install --no-install-recommends -y "$@"; } > "$log" 2>&1; then
      cat -- "$log" >&2
      rm -f -- "$log"
      die "apt-get could not install $*"
    fi
  fi
  rm -f -- "$log"
}

# has COMMAND: also where an ordinary user's PATH does not lead.
has() { PATH="$PATH:/usr/sbin:/sbin" command -v "$1" > /dev/null; }

need_mariadb() {
  local missing=()
  { has mariadbd && has mariadb-install-db; } || missing+=(mariadb-server-core)
  has mariadb || missing+=(mariadb-client)
  has mariadb-backup || missing+=(mariadb-backup)
  install_packages "${missing[@]}"
}

# The store's second database. The package would set up a cluster of the system's and start it: the tests make their own.
need_postgres() {
  if has initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' > /dev/null; then
    return
  fi
  local unwanted=/etc/postgresql-common/createcluster.d/repwatch-tests.conf # read by Debian's pg_createcluster
  as_root install -D -m 644 /dev/stdin "$unwanted" <<< "create_main_cluster = false"
  install_packages postgresql
  as_root rm -f -- "$unwanted"
}

# For the test of the image: an engine that the test starts by hand, in folders of its own.
need_docker() {
  local missing=()
  has dockerd || missing+=(docker.io)
  has debootstrap || missing+=(debootstrap)
  install_packages "${missing[@]}"
}

# For the test of a drift check under load, and the one beside the tool that most people use.
need_peers() {
  local missing=()
  has sysbench || missing+=(sysbench)
  has pt-table-checksum || missing+=(percona-toolkit)
  install_packages "${missing[@]}"
}

# For the ways to break replication: a firewall, and certificates.
need_breakers() {
  local missing=()
  has iptables || missing+=(iptables)
  has openssl || missing+=(openssl)
  install_packages "${missing[@]}"
}

# For the test of a reseed over ssh, by users who are not root.
need_ssh() {
  local missing=()
  has sshd || missing+=(openssh-server)
  has ssh || missing+=(openssh-client)
  has sudo || missing+=(sudo)
  has setpriv || missing+=(util-linux)
  has useradd || missing+=(passwd)
  install_packages "${missing[@]}"
}

# MariaDB's plugin that tells how full disks are, for the version that is installed. Debian has it in the package that also starts
# a server of the system's, so that it is taken out of there.
need_disks() {
  local own version
  own="$(PATH="$PATH:/usr/sbin" mariadbd --no-defaults --verbose --help 2> /dev/null | awk '$1 == "plugin-dir" { print $2 }')"
  [ ! -e "$own/disks.so" ] || return 0
  version="$(installed_mariadb)"
  [ "$(cat -- "$MARIADB_PLUGINS/version" 2> /dev/null)" != "$version" ] || return 0
  say "fetching MariaDB's plugin disks"
  if ! take_disks "$version" 2> /dev/null; then
    # The package lists are old, or that version has been replaced.
    as_root apt-get -qq update
    take_disks "$version" 2> /dev/null || {
      install_packages mariadb-server-core mariadb-client mariadb-backup
      version="$(installed_mariadb)"
      take_disks "$version" || die "MariaDB's plugin disks, version $version, cannot be had"
    }
  fi
  printf '%s\n' "$version" > "$MARIADB_PLUGINS/version"
}

installed_mariadb() {
  # shellcheck disable=SC2016  # dpkg-query fills it in
  dpkg-query --show --showformat='${Version}' mariadb-server-core 2> /dev/null \
    || die "MariaDB's plugin disks is missing" "this is no Debian system: put disks.so into the server's plugin folder"
}

take_disks() { # VERSION
  mkdir -p -- "$MARIADB_PLUGINS"
  local folder status=0
  folder="$(mktemp -d -- "$MARIADB_PLUGINS/XXXXXX")"
  {
    (cd -- "$folder" && apt-get -qq download "mariadb-server=$1") \
      && dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -xO ./usr/lib/mysql/plugin/disks.so > "$folder/disks.so" \
      && mv -- "$folder/disks.so" "$MARIADB_PLUGINS/disks.so"
  } || status=1
  rm -rf -- "$folder"
  return "$status"
}

need_mysql() { "$ROOT/scripts/fetch-mysql"; }

# The first Python that is new enough, on standard output.
find_python() {
  local name
  for name in python3 python3.14 python3.13 python3.12 python3.11; do
    if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then
      printf '%s\n' "$name"
      return
    fi
  done
  die "no Python 3.11 or newer was found" "on Debian 12: apt-get install python3"
}

# The virtual environment with everything that is locked; made anew when the lock file or the interpreter changes.
need_venv() {
  (
    flock 9 # two scripts at once: the second finds it done
    local python wanted
    python="$(find_python)"
    wanted="$(cat -- "$ROOT/requirements-dev.txt" "$ROOT/pyproject.toml" | sha256sum | cut -d' ' -f1)"
    if [ "$(cat -- "$ROOT/.venv/installed" 2> /dev/null)" = "$wanted" ] && "$ROOT/.venv/bin/python" -c '' 2> /dev/null; then
      return
    fi
    say "setting up the Python environment in .venv"
    if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
      install_packages python3-venv
    fi
    "$ROOT/.venv/bin/python" -m pip --version > /dev/null 2>&1 || "$python" -m venv --clear "$ROOT/.venv"
    local pip=("$ROOT/.venv/bin/python" -m pip --quiet --quiet --disable-pip-version-check --no-input --no-color)
    PIP_ROOT_USER_ACTION=ignore "${pip[@]}" install --require-hashes --requirement "$ROOT/requirements-dev.txt" \
      || die "pip could not install the locked requirements" "is the network there?"
    PIP_ROOT_USER_ACTION=ignore "${pip[@]}" install --no-deps --no-build-isolation --editable "$ROOT" \
      || die "pip could not install repwatch itself"
    printf '%s\n' "$wanted" > "$ROOT/.venv/installed"
  ) 9< "$ROOT"
}
