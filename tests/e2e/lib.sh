# Sourced by every case. A case is a shell script with one behaviour; it runs in namespaces of its
# own, so `lo` is all its own and its processes end with it. The first thing that is not as
# expected ends it: fail WORDS, or skip WORDS. Nothing here waits for a time: until_ok waits for a
# condition, with a deadline.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
TOOLS=$ROOT/tests/tools
PYTHON=/usr/bin/python3
W=${SCRATCH:-$(mktemp -d /tmp/tfs-case.XXXXXX)}
M=$W/mnt
STORE=$W/store
DAEMON=
STOPS=()    # what the end does, newest first
FINISHING=
SLOW=1      # deadlines are this much longer
case $BUILD in
*/asan | */ubsan | */tsan) SLOW=5 ;;
esac

mkdir -p "$M" "$W/san"
chmod 711 "$W"
chmod 1777 "$W/san"
export LC_ALL=C.UTF-8 TZ=UTC HOME=$W
export ASAN_OPTIONS=log_path=$W/san/asan:exitcode=99:detect_stack_use_after_return=1
export UBSAN_OPTIONS=log_path=$W/san/ubsan:print_stacktrace=1
export TSAN_OPTIONS=log_path=$W/san/tsan:exitcode=99
ip link set lo up
mkdir -p /run/netns
mount -t tmpfs none /run/netns

fail() {
    echo "fail: $*" >&2
    [ -z "$FINISHING" ] || return 1
    exit 1
}

skip() {
    echo "$*"
    exit 77
}

# is EXPECTED ACTUAL WHAT
is() {
    [ "$1" = "$2" ] || fail "${3:-value}: expected '$1', got '$2'"
}

# has TEXT PATTERN: an extended regular expression on some line.
has() {
    grep -Eq -- "$2" <<<"$1" || fail "no /$2/ in: $1"
}

hasnt() {
    ! grep -Eq -- "$2" <<<"$1" || fail "there is /$2/ in: $1"
}

# until_ok SECONDS COMMAND…: runs the command until it succeeds.
until_ok() {
    local deadline=$((SECONDS + $1 * SLOW)) limit=$1
    shift
    until "$@" >"$W/until.out" 2>&1; do
        if [ $SECONDS -gt $deadline ]; then
            cat "$W/until.out" >&2
            fail "not within $limit s: $*" || return 1
        fi
        sleep 0.05
    done
}

# refused WORDS COMMAND…: the command fails and says so with these words (an errno's).
refused() {
    local words=$1 said
    shift
    if said=$("$@" 2>&1 </dev/null); then
        fail "was not refused: $*"
    fi
    grep -Fqi -- "$words" <<<"$said" || fail "refused without '$words': $* said: $said"
}

# A shell's redirection as a command of its own, so that refused can see it.
write() {
    bash -c 'echo "$1" >"$2"' - "$1" "$2"
}

at_end() {
    STOPS+=("$*")
}

finish() {
    local status=$? i
    set +e
    FINISHING=yes
    trap - EXIT
    for ((i = ${#STOPS[@]} - 1; i >= 0; i--)); do
        ${STOPS[i]} || status=1
    done
    if compgen -G "$W/san/*" >/dev/null; then
        echo "fail: a sanitizer reported:" >&2
        head -n 60 "$W"/san/* >&2
        status=1
    fi
    if [ $status -ne 0 ] && [ $status -ne 77 ] && [ -s "$W/daemon.log" ]; then
        echo "daemon said:" >&2
        tail -n 30 "$W/daemon.log" >&2
    fi
    mountpoint -q "$M" && umount -l "$M"
    exit $status
}
trap finish EXIT

# ---- the daemon

# start [OPTIONS…]: mounts on $M; on lo unless an option says which interface.
start() {
    local options=("-o" "store=$STORE")
    [[ " $* " =~ iface=|no_capture ]] || options+=("-o" "iface=lo")
    "$BUILD/trafficfs" -f "${options[@]}" "$@" "$M" >>"$W/daemon.log" 2>&1 &
    DAEMON=$!
    until_ok 20 daemon_serves
    [[ " ${STOPS[*]-} " == *" stop "* ]] || at_end stop
}

daemon_serves() {
    kill -0 "$DAEMON" 2>/dev/null || fail "the daemon ended: $(tail -n 5 "$W/daemon.log")"
    mountpoint -q "$M" && head -c 1 "$M/README"
}

# stop: as init would; the daemon must end cleanly and leave no mount.
stop() {
    [ -n "$DAEMON" ] || return 0
    local status=0 pid=$DAEMON
    DAEMON=
    kill -TERM "$pid" 2>/dev/null
    if ! until_ok 20 ended "$pid"; then
        kill_daemon
        return 1
    fi
    wait "$pid" || status=$?
    is 0 $status "status of the daemon after SIGTERM" || return 1
    ! mountpoint -q "$M" || fail "still mounted after SIGTERM"
}

# A process has ended when it is gone or waits to be waited for.
ended() {
    ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

# Every process of the daemon: the parent that keeps the privileges and the one that serves.
daemon_pids() {
    pgrep -x trafficfs
}

kill_daemon() {
    pkill -KILL -x trafficfs || true
    wait "$DAEMON" 2>/dev/null || true
    DAEMON=
}

# ---- jobs and recordings

# job NAME SPEC: as a person makes one; ready when it records.
job() {
    mkdir "$M/jobs/$1"
    echo "$2" >"$M/jobs/$1/spec.yaml"
    until_ok 5 state_is "$1" recording
}

status() {
    sed -n "s/^$2: *//p" "$M/jobs/$1/status"
}

state_is() {
    [ "$(status "$1" state)" = "$2" ] || { cat "$M/jobs/$1/status"; return 1; }
}

# The last iteration of a recording is closed: nothing of it changes any more.
settled() {
    [ "$(jq -r '.iterations[-1].ended' "$M/recordings/$1/recording.json")" != null ]
}

entries() {
    cat "$M/recordings/$1/entries.jsonl"
}

lines() {
    cat "$1" | wc -l
}

# lines_are N FILE
lines_are() {
    local n
    n=$(lines "$2") && [ "$n" -eq "$1" ] || { echo "$n lines in $2"; return 1; }
}

recorded() {
    lines_are "$2" "$M/recordings/$1/entries.jsonl"
}

query() {
    cat "$M/query/$1"
}

answers() {
    lines_are "$1" "$M/query/$2"
}

packets() {
    tshark -r "$1" 2>/dev/null | wc -l
}

# Each TCP packet of a capture as one line that names it, sorted. FILTER as tshark's.
tcp_packets() {
    tshark -r "$1" -Y "${2:-tcp}" -T fields -e ip.src -e ipv6.src -e tcp.srcport -e tcp.dstport \
        -e tcp.seq_raw -e tcp.ack_raw -e tcp.flags -e tcp.len -e ip.id -e frame.len \
        2>/dev/null | sort
}

valid_capture() {
    capinfos "$1" >/dev/null 2>"$W/capinfos.err" && [ ! -s "$W/capinfos.err" ] &&
        tshark -r "$1" >/dev/null 2>"$W/tshark.err" &&
        ! grep -Ev 'Running as user' "$W/tshark.err"
}

valid_lines() {
    jq -e . "$1" >/dev/null
}

# ---- servers and clients

# serve_http [ADDRESS [PORT [COMMAND…]]]: tests/tools/web; the command may put it in a namespace.
serve_http() {
    local address=${1:-127.0.0.1} port=${2:-80}
    shift $(($# > 2 ? 2 : $#))
    "$@" "$PYTHON" "$TOOLS/web" "$address" "$port" >"$W/web.log" 2>&1 &
    at_end end_process $!
    until_ok 10 "$@" bash -c "listens -t $port"
}

# serve_dns [ADDRESS [COMMAND…]]: everything below test. is local, others are refused.
serve_dns() {
    local address=${1:-127.0.0.1}
    shift $(($# > 1 ? 1 : $#))
    "$@" dnsmasq -k -C /dev/null --no-resolv --no-hosts --user=root --pid-file= \
        --listen-address="$address" --bind-interfaces --local=/test/ \
        --host-record=web.test,127.0.0.1 --host-record=six.test,::1 \
        --txt-record=txt.test,"hello world" --mx-host=mail.test,web.test,10 \
        --cname=www.test,web.test --host-record=db.test,127.0.0.3 >"$W/dns.log" 2>&1 &
    at_end end_process $!
    until_ok 10 "$@" bash -c "listens -u 53"
}

listens() {
    [ -n "$(ss -Hln "$1" "sport = :$2")" ]
}
export -f listens

end_process() {
    kill -TERM "$1" 2>/dev/null
    wait "$1" 2>/dev/null
    return 0
}

# get PATH…: one connection each; get_kept PATH…: all over one.
get() {
    local path
    for path; do
        curl -s -o /dev/null "http://127.0.0.1$path" || fail "curl $path"
    done
}

get_kept() {
    local path args=()
    for path; do
        args+=(-o /dev/null "http://127.0.0.1$path")
    done
    curl -s "${args[@]}" || fail "curl"
}

lookup() {
    dig +tries=1 +time=5 @127.0.0.1 "$@" >/dev/null || fail "dig $*"
}

# reference INTERFACE FILE [COMMAND…]: what tcpdump sees meanwhile. Each slot of its ring takes a
# whole snaplen, so that the usual buffer has room for few.
reference() {
    local iface=$1 file=$2
    shift 2
    "$@" tcpdump -i "$iface" --immediate-mode -B 65536 -U -s 66000 -w "$file" 2>"$file.log" &
    at_end end_process $!
    until_ok 10 grep -q 'listening on' "$file.log"
}

# side NAME N: a namespace NAME joined to this one by a veth pair: here vN 10.9.N.1 and fd09:N::1,
# there eth0 10.9.N.2 and fd09:N::2.
side() {
    ip netns add "$1"
    ip link add "v$2" type veth peer name eth0 netns "$1"
    ip addr add "10.9.$2.1/24" dev "v$2"
    ip addr add "fd09:$2::1/64" dev "v$2" nodad
    ip link set "v$2" up
    ip -n "$1" addr add "10.9.$2.2/24" dev eth0
    ip -n "$1" addr add "fd09:$2::2/64" dev eth0 nodad
    ip -n "$1" link set lo up
    ip -n "$1" link set eth0 up
}

inside() {
    ip netns exec "$@"
}
