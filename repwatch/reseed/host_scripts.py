"""Every script that is run on the machine of a server (for `sh`, with the tools of GNU and Linux), and what they print.

The data folder is never written to. The copy is made in a folder beside it, takes its place by being renamed, and the old folder
waits under a third name for the proof.
"""

import shlex
from dataclasses import dataclass
from typing import Final

from repwatch.model.server import Address

# sbin is not in everybody's PATH, and mariadbd lies there.
_PATH: Final = "PATH=$PATH:/usr/sbin:/usr/local/sbin; export PATH LC_ALL=C"
_READY: Final = "repwatch-ready"  # in a copy: it is complete, prepared and marked
_OLD: Final = ".repwatch-old"
_INFO: Final = ("mariadb_backup_binlog_info", "xtrabackup_binlog_info")  # the name since MariaDB 11.1, and before


@dataclass(frozen=True, slots=True)
class Folders:
    """The server's data folder, without a symbolic link in its path, and the names beside it."""

    data: str

    @property
    def new(self) -> str:
        """The copy, while it is made."""
        return f"{self.data}.repwatch-new"

    @property
    def old(self) -> str:
        """What the data folder was before, until the copy is proved."""
        return f"{self.data}{_OLD}"

    @property
    def gone(self) -> str:
        """What is being deleted: a name that nothing is put back from."""
        return f"{self.data}.repwatch-gone"

    @property
    def names(self) -> str:
        """As variables of a script."""
        pairs = (("data", self.data), ("new", self.new), ("old", self.old), ("gone", self.gone))
        return "; ".join(f"{name}={shlex.quote(path)}" for name, path in pairs)


def option_file(address: Address, user: str, password: str, *, tls: bool) -> str:
    """For `--defaults-file`; a secret, as the password is in it.

    The certificate is not looked at (MariaDB 11.4 does by default), for the tool and the server are on one machine.
    """
    quoted = password.replace("\\", "\\\\").replace('"', '\\"')
    place = f'socket="{address.socket}"' if address.socket else f'protocol=tcp\nhost="{address.host}"\nport={address.port}'
    security = "loose-skip-ssl-verify-server-cert\n" + ("ssl\n" if tls else "")
    return f'[mariadb-backup]\nuser="{user}"\npassword="{quoted}"\n{place}\n{security}'


def look(data: str, not_copied: tuple[str, ...]) -> str:
    """Prints the lines that `HostFacts` is read from. `not_copied`: names in the data folder that no backup has, as wildcards.

    The size of a folder of many files takes its time.
    """
    leave_out = " ".join(f"--exclude={shlex.quote(name)}" for name in not_copied)
    return f"""\
{glance(data, ())}\
echo "left=$([ -d "$data{_OLD}" ] && echo 1)"
echo "used=$(du -sk {leave_out} "$data" 2>/dev/null | cut -f 1)"
"""


def glance(data: str, commands: tuple[str, ...]) -> str:
    """Prints what of it is there at once, and which of the first words of `commands` no shell there knows."""
    known = " ".join(shlex.quote(word) for word in map(_first_word, commands) if word)
    return f"""\
{_PATH}
data=$(readlink -f {shlex.quote(data)}) && [ -d "$data" ] || {{ echo "no folder" {shlex.quote(data)} >&2; exit 1; }}
echo "folder=$data"
echo "own_mount=$(mountpoint -q "$data" && echo 1)"
echo "writable=$([ -w "$data" ] && [ -w "${{data%/*}}" ] && echo 1)"
echo "free=$(df -Pk "$data" | awk 'NR == 2 {{ print $4 }}')"
echo "backup=$(mariadb-backup --version 2>&1 | head -n 1)"
echo "stream=$(command -v mbstream)"
echo "server=$(mariadbd --version 2>/dev/null)"
echo "unknown=$(for word in {known}; do command -v "$word" >/dev/null || echo "$word"; done | tr '\\n' ' ')"
"""


def _first_word(command: str) -> str:
    try:
        return next(iter(shlex.split(command)), "")
    except ValueError:
        return ""


def give(threads: int) -> str:
    """Streams a backup of the server that the option file in the feed leads to."""
    return (
        f"{_PATH}; exec mariadb-backup --defaults-file=/proc/self/fd/3 --backup --stream=mbstream "
        f'--parallel={threads} --target-dir="${{TMPDIR:-/tmp}}"'
    )


def take(folders: Folders, threads: int) -> str:
    """Unpacks that stream into a new folder; what an earlier attempt left there goes first."""
    return (
        f'{_PATH}; {folders.names}; rm -rf "$new" "$gone" && mkdir -m 700 "$new" && '
        f'exec mbstream --extract --directory="$new" --parallel={threads}'
    )


def prepare(folders: Folders) -> str:
    """Makes the files of the copy consistent, and prints the source's binary log coordinates of that state: file, position."""
    info = " ".join(f'"$new"/{name}' for name in _INFO)
    return (
        f'{_PATH}; {folders.names}; mariadb-backup --defaults-file="$new/backup-my.cnf" --prepare --target-dir="$new" >&2 && '
        f"cat {info} 2>/dev/null | head -n 1"
    )


def mark(folders: Folders, run: str, position: str) -> str:
    """Runs the statements of the feed, one a line, on the copy, before any server listens on it; then says that it is ready.

    A server in bootstrap mode has no network, no replication, no scheduler and no accounts (MariaDB manual, "mariadbd
    Options"). The file that it leaves last holds the run whose copy is complete, and its position. Meanwhile what was streamed is
    flushed, which takes longer; a failure of that is told once, and so its status counts.
    """
    return f"""\
{_PATH}; {folders.names}; owner=$(stat -c %U "$data"); sync -f "$new" & flushed=$!
chmod --reference="$data" "$new" && chown -R --reference="$data" "$new" &&
mariadbd --defaults-file="$new/backup-my.cnf" --bootstrap --user="$owner" --datadir="$new" --tmpdir="$new" </proc/self/fd/3 >&2 &&
chown -R --reference="$data" "$new" && wait $flushed && sync -f "$new" &&
echo {shlex.quote(f"{run} {position}")} >"$new/{_READY}" && chown --reference="$data" "$new/{_READY}" &&
sync "$new/{_READY}" "$new"
"""


def is_ready(folders: Folders, run: str) -> str:
    """Prints `ready` and its position if the copy beside the data folder is complete and was made by `run`."""
    return f"""\
{folders.names}
if read -r run position <"$new/{_READY}" && [ "$run" = {shlex.quote(run)} ]; then echo "ready $position"; fi 2>/dev/null
"""


def stop(command: str) -> str:
    """A person's command to stop the server; a daemon that it leaves does not keep the connection open."""
    return f'{_PATH}; said=$(mktemp)\n(\n{command}\n) >"$said" 2>&1 3<&-; status=$?; cat "$said" >&2; rm -f "$said"; exit $status'


# A server works in its data folder, and holds locks on two files in it until it has written all. Which process works where is
# for its own user and root to see, and not even for that user where the server has more capabilities (proc(5), ptrace(2));
# locks are for everybody. The device in their list is that of the file system, which stat does not tell for btrfs (findmnt(8)).
# `worked_in`: some process is there, which may be a person's shell; `served`: it may be a server.
_LOOKS: Final = """\
worked_in() { find /proc/[0-9]*/cwd -prune -printf '%l\\n' 2>/dev/null | grep -qxF -- "$data"; }
locked() {
  device=$(findmnt -nro MAJ:MIN -T "$data" 2>/dev/null) && device=$(printf %02x:%02x "${device%:*}" "${device#*:}") || return
  for file in $(stat -c %i "$data/ibdata1" "$data/aria_log_control" 2>/dev/null); do
    grep -q " $device:$file " /proc/locks && return
  done
  return 1
}
served() {
  locked || find /proc/[0-9]*/cwd -prune -printf '%h/comm %l\\n' 2>/dev/null | while read -r name place; do
    [ "$place" != "$data" ] || cat "$name" 2>/dev/null
  done | grep -qxE 'mariadbd|mysqld'
}
"""


def start(folders: Folders, command: str) -> str:
    """A person's command to start the server; it is not given, and `busy` printed, while one may work in the folder.

    Two servers on one folder destroy it, where their locks do not hold.
    """
    return f"{_PATH}; {folders.names}\n{_LOOKS}if served; then echo busy; exit 0; fi\n{stop(command)}"


# As long as something works in it, nothing is moved away from under it.
_ALONE: Final = """\
until=$(($(date +%s) + {seconds}))
while worked_in || locked; do
  if [ "$(date +%s)" -ge $until ]; then echo "a process still works in $data" >&2; exit 1; fi
  sleep 0.1
done
"""


def swap(folders: Folders, seconds: int = 0) -> str:
    """The copy becomes the data folder; the old one stays. Safe to repeat, also where it was cut off.

    The server is down, or ends within so many `seconds`: a command that stops it may return before. Where there is an old
    folder already, what is in its place is a copy that was not proved.
    """
    return f"""\
{_PATH}; {folders.names}
{_LOOKS}{_ALONE.format(seconds=seconds)}if [ -d "$new" ]; then
  if [ ! -d "$old" ]; then mv -T "$data" "$old" || exit 1; fi
  if [ -d "$data" ]; then rm -rf "$gone"; mv -T "$data" "$gone" || exit 1; fi
  mv -T "$new" "$data" || exit 1
fi
rm -rf "$gone"
[ -d "$data" ]
"""


def put_back(folders: Folders, seconds: int = 0) -> str:
    """The old folder becomes the data folder again and all copies go. As `swap`.

    A copy is renamed before it is deleted: half deleted it would still say that it is ready.
    """
    return f"""\
{_PATH}; {folders.names}
{_LOOKS}if [ -d "$old" ]; then
{_ALONE.format(seconds=seconds)}  if [ -d "$data" ]; then rm -rf "$gone"; mv -T "$data" "$gone" || exit 1; fi
  mv -T "$old" "$data" || exit 1
fi
rm -rf "$gone"
if [ -d "$new" ]; then mv -T "$new" "$gone"; rm -rf "$gone"; fi
[ -d "$data" ]
"""


def discard_old(folders: Folders) -> str:
    """Deletes the old data, once the copy is proved and on the disk."""
    return f"""\
{folders.names}
if [ -d "$old" ]; then sync -f "$data" && rm -rf "$gone" && mv -T "$old" "$gone" || exit 1; fi
rm -rf "$gone" "$new"; rm -f "$data/{_READY}"
"""


def which(folders: Folders) -> str:
    """Prints the names that exist, of `data`, `new` and `old`."""
    tests = "; ".join(f'[ -d "${name}" ] && echo {name}' for name in ("data", "new", "old"))
    return f"{folders.names}; {tests}; :"
