#!/bin/sh
# Installs clawrack from this clone into an environment of its own, puts `clawrack` on the PATH, starts `clawrack setup`.
#
#   ./install.sh                 install, then ask what is needed for a first agent
#   ./install.sh --yes           the same and ask nothing: this machine, one agent, the practice model
#   ./install.sh --no-setup      install only
#   ./install.sh --uninstall     undo what this script made
#       --packages               and remove the system's packages that it added, where no other package needs them
#       --keep-agents            although agents run on this machine
#   any other option             is for `clawrack setup`
#
# Every environment carries a copy of this script (share/clawrack), with which `clawrack self` works; nobody types these:
#   --stage PATH [--sha256 HEX]  make an environment from a checkout or a wheel, beside the one in use
#   --switch                     what was staged is in use from now on; the one before it is kept
#   --drop                       what was staged is not wanted
#   --back                       the one before is in use again
#
# Everything is in one function, called on the last line inside a group: a copy that was cut off anywhere runs nothing.
# It may be killed at any line: an environment counts only once its mark is written, and the next run clears the rest.
# Proxies and pip's own settings are used as they stand. Exit: 0 done, 2 bad input, 3 refused, 4 no network, 5 failed here.

install_clawrack() {
    set -eu
    umask 022

    case "${CLAWRACK_LANG:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}" in
        [zZ][hH]*) chinese=yes ;;
        *) chinese='' ;;
    esac

    words() { # ENGLISH CHINESE
        if [ -n "$chinese" ]; then printf '%s\n' "$2"; else printf '%s\n' "$1"; fi
    }

    stop() { # CODE ENGLISH CHINESE
        code=$1
        shift
        { printf '✗ '; words "$@"; } >&2
        exit "$code"
    }

    usage() {
        words 'Usage: ./install.sh [--yes] [--no-setup] [--uninstall [--packages] [--keep-agents]] [options of clawrack setup]

  --yes          ask nothing: this machine, one agent, the practice model
  --no-setup     install only, do not start the setup
  --uninstall    undo what this script made
  --packages     with --uninstall: and the packages of the system that it added
  --keep-agents  with --uninstall: although agents run on this machine

Example: ./install.sh --yes' '用法：./install.sh [--yes] [--no-setup] [--uninstall [--packages] [--keep-agents]] [clawrack setup 的选项]

  --yes          什么都不问：装在这台机器上，一个智能体，练习模型
  --no-setup     只安装，不开始设置
  --uninstall    撤销本脚本做过的一切
  --packages     与 --uninstall 同用：连同当初为它安装的系统软件包
  --keep-agents  与 --uninstall 同用：即使这台机器上还有智能体在运行

例子：./install.sh --yes'
    }

    choose_places() {
        uid=$(id -u)
        if [ "$uid" = 0 ]; then
            home=/opt/clawrack bin=/usr/local/bin
        else
            [ -n "${HOME:-}" ] || stop 2 'HOME is not set, so there is no place to install to.' '没有设置 HOME，不知道该装到哪里。'
            home=${XDG_DATA_HOME:-$HOME/.local/share}/clawrack/install
            bin=$HOME/.local/bin
        fi
        case $0 in # a copy in an environment works on the installation that it lies in
            */env-*/share/clawrack/install.sh) home=${0%/env-*/share/clawrack/install.sh} ;;
        esac
        link=$bin/clawrack log=$home/install.log packages=$home/packages made=$home/directories
        share=${XDG_DATA_HOME:-${HOME:-}/.local/share}
        fish=$share/fish/vendor_completions.d
        [ "$uid" != 0 ] || share=/usr/local/share fish=/etc/fish/completions
    }

    ours() { # whether the command on the PATH is the one that this script made
        [ -L "$link" ] && [ "$(readlink "$link")" = "$home/current/bin/clawrack" ]
    }

    enter_clone() {
        case $0 in
            */*) cd "$(dirname "$0")" || exit 5 ;;
        esac
        whole_clone
    }

    whole_clone() {
        for part in pyproject.toml requirements.lock requirements-build.lock clawrack templates; do
            [ -e "$part" ] || stop 2 \
                "This is not a whole clone of clawrack: $part is missing in $(pwd). Clone it again, then: ./install.sh" \
                "这里不是完整的 clawrack 仓库：$(pwd) 里缺少 $part。请重新克隆，然后运行：./install.sh"
        done
    }

    missing() { # DIRECTORY: those on the way to it that are not there, deepest first
        dir=$1
        while [ ! -d "$dir" ]; do
            printf '%s\n' "$dir"
            dir=$(dirname "$dir")
        done
    }

    make_home() {
        absent=$(missing "$bin"; missing "$(dirname "$home")")
        if ! mkdir -p "$home" "$bin" 2>/dev/null || [ ! -w "$home" ] || [ ! -w "$bin" ]; then
            stop 5 "Cannot write to $home or $bin. Look at who owns them: ls -ld $home $bin" \
                "无法写入 $home 或 $bin。请查看它们属于谁：ls -ld $home $bin"
        fi
        [ -z "$absent" ] || printf '%s\n' "$absent" >>"$made"
        if { [ -e "$link" ] || [ -L "$link" ]; } && ! ours; then
            stop 3 "$link is there already and is not ours; nothing was changed. Move it away, then: ./install.sh" \
                "$link 已经存在，而且不是本脚本建的；没有改动任何东西。请先把它移走，然后运行：./install.sh"
        fi
    }

    take_lock() { # the kernel frees it, however this script ends
        command -v flock >/dev/null || return 0
        exec 9>>"$home/lock"
        flock -n 9 || stop 3 'Another install.sh is at work. Wait until it has ended, then run this again.' \
            '另一个 install.sh 正在运行。请等它结束后再运行一次。'
    }

    enough_disk() {
        free=$(df -Pk "$home" | awk 'NR == 2 { print $4 }')
        [ "${free:-0}" -ge 307200 ] || stop 5 \
            "The disk is full: $home needs 300 MB and $((${free:-0} / 1024)) MB are free. Free some, then: ./install.sh" \
            "磁盘已满：$home 需要 300 MB，只剩 $((${free:-0} / 1024)) MB。请腾出空间，然后运行：./install.sh"
    }

    may_be_root() {
        [ "$uid" != 0 ] || return 0
        command -v sudo >/dev/null || return 1
        sudo -n true 2>/dev/null && return 0
        [ -z "$yes" ] && [ -t 0 ] && sudo -v
    }

    as_root() {
        if [ "$uid" = 0 ]; then
            env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@" 9>&-
        else
            # By name, so that a proxy's password is on no command line.
            sudo --preserve-env=http_proxy,https_proxy,no_proxy env DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@" 9>&-
        fi
    }

    refresh_lists() { # apt waits for dpkg's lock by itself, but not for that of its lists
        tries=0
        until as_root apt-get update >>"$log" 2>&1; do
            tries=$((tries + 1))
            [ "$tries" -lt 60 ] && tail -n 5 "$log" | grep -q 'Could not get lock' || return 1
            sleep 5
        done
        # apt-get update ends well although it reached nobody.
        ! tail -n 5 "$log" | grep -q 'Some index files failed to download'
    }

    no_packages() { # WANTED
        stop 4 "The system's packages ($1) could not be had: no network, or no package source answers. Look at $log, then: ./install.sh" \
            "无法取得系统软件包（$1）：没有网络，或者软件源没有回应。请查看 $log，然后运行：./install.sh"
    }

    planned() { # the packages that apt would add, without those it would only upgrade
        LC_ALL=C apt-get -s install --no-install-recommends "$@" 2>/dev/null |
            awk '/^Inst / && $3 !~ /^\[/ { print $2 }'
    }

    add_packages() { # PACKAGE...
        command -v apt-get >/dev/null || stop 3 \
            "This system is not supported yet: it has no apt-get, and $* is missing. Install Python 3.11 or newer with its venv module, then: ./install.sh" \
            "暂不支持这个系统：没有 apt-get，又缺少 $*。请自行安装 Python 3.11 或更新版本（含 venv 模块），然后运行：./install.sh"
        may_be_root || stop 3 \
            "$* is missing, and installing it takes root or sudo; you have neither. Ask the administrator for: apt-get install $*" \
            "缺少 $*，安装它需要 root 或 sudo 权限，而你两者都没有。请让管理员运行：apt-get install $*"
        words "· Installing from the system's packages: $*" "· 正在安装系统软件包：$*"
        as_root dpkg --configure -a >>"$log" 2>&1 || true
        install_packages "$@" || { refresh_lists && install_packages "$@"; } || no_packages "$*"
    }

    install_packages() { # what will be added is written down first, for --uninstall
        added=$(planned "$@")
        [ -z "$added" ] || printf '%s\n' "$added" >>"$packages"
        as_root apt-get -o DPkg::Lock::Timeout=600 -y --no-install-recommends install "$@" >>"$log" 2>&1
    }

    version_of() {
        "$1" -c 'import sys; print("%d.%d.%d" % sys.version_info[:3])' 2>/dev/null
    }

    find_python() { # sets `python`: the system's own first, for it stays when a person's own goes
        for name in /usr/bin/python3 python3 python3.14 python3.13 python3.12 python3.11; do
            python=$(command -v "$name") || continue
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && return 0
        done
        return 1
    }

    offered() { # the package of a Python that is new enough: the system's own, else another that its sources offer
        case $(apt-cache madison python3 2>/dev/null | sed -n 's/^[^|]*| *3\.\([0-9]*\).*/\1/p' | head -n 1) in
            1[1-9] | [2-9][0-9]) echo python3 && return ;;
        esac
        for minor in 13 12 14 11; do
            ! apt-cache madison "python3.$minor" 2>/dev/null | grep -q . || { echo "python3.$minor" && return; }
        done
        return 1
    }

    too_old() {
        have=$(version_of python3 || echo -)
        stop 3 "Python is too old here ($have), and this system offers no 3.11 or newer. Install clawrack on another computer and let it reach this one: clawrack setup --machine root@THIS-ADDRESS" \
            "这里的 Python 太旧（$have），而系统也没有提供 3.11 或更新的版本。请把 clawrack 装在另一台电脑上，再从那里连接这台机器：clawrack setup --machine root@本机地址"
    }

    need_python() {
        if ! find_python; then
            command -v apt-get >/dev/null || add_packages python3
            may_be_root || add_packages python3 python3-venv
            package=$(offered) || { refresh_lists && package=$(offered); } || no_answer_or_too_old
            add_packages "$package" "$package-venv"
            find_python || too_old
        fi
        if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
            add_packages "$(venv_package)"
            "$python" -c 'import venv, ensurepip' 2>/dev/null || stop 5 \
                "$python cannot make environments, although $(venv_package) is installed. Try: $python -m ensurepip --version" \
                "$(venv_package) 已经安装，但 $python 仍然无法创建独立环境。请试试：$python -m ensurepip --version"
        fi
        words "✓ Python $(version_of "$python")" "✓ Python $(version_of "$python")"
    }

    no_answer_or_too_old() {
        ! tail -n 5 "$log" | grep -Eq 'Some index files failed|Could not (resolve|connect)|^Err:' || no_packages python3
        too_old
    }

    venv_package() {
        if [ "$python" = /usr/bin/python3 ]; then
            echo python3-venv
        else
            echo "python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"
        fi
    }

    recipe() { # one word for what the environment is made of: the sources, the pinned packages, the Python
        {
            "$python" -c 'import sys; print(sys.executable, sys.version)'
            if [ -n "$wheel" ]; then
                sha256sum <"$wheel"
            else
                find pyproject.toml requirements.lock requirements-build.lock install.sh clawrack tui installer fleet templates \
                    -type f ! -name '*.pyc' -exec sha256sum {} + | LC_ALL=C sort
            fi
        } | sha256sum | cut -c 1-16
    }

    in_use() { readlink "$home/current" 2>/dev/null || true; }

    before() { # the environment that was in use before the one in use
        case $(cat "$(in_use)/.before" 2>/dev/null) in
            "$(in_use)") ;;
            "$home"/env-*) cat "$(in_use)/.before" ;;
        esac
    }

    clear_rest() { # what an interrupted run left, and environments that are neither this one nor the last ones used
        last=$(in_use) earlier=$(before)
        rm -rf "$home/tmp" "$home/current.new" "$home/staged"
        for old in "$home"/env-*; do
            case $old in "${env:-}" | "$last" | "$earlier") [ ! -e "$old/.whole" ] || continue ;; esac
            rm -rf "$old"
        done
    }

    pip() { # no builds from source: what is not ready-made for this machine is told as that
        "$env/bin/python" -m pip --disable-pip-version-check --no-input "$@" >>"$log" 2>&1 9>&-
    }

    pip_failed() {
        case $(tail -n 40 "$log") in
            *'No space left on device'*)
                stop 5 "The disk got full while installing to $home. Free some, then: ./install.sh" \
                    "安装到 $home 时磁盘满了。请腾出空间，然后运行：./install.sh" ;;
            *'DO NOT MATCH THE HASHES'* | *'Expected sha256'*)
                stop 3 "A Python package is not the one that was pinned (its checksum differs); nothing was installed. Check your pip mirror: pip3 config list. The log: $log" \
                    "有一个 Python 包与锁定的校验和不一致；没有安装任何东西。请检查 pip 镜像：pip3 config list。日志：$log" ;;
            *'Temporary failure in name resolution'* | *'Name or service not known'* | *'Network is unreachable'* | \
            *'Connection refused'* | *'timed out'* | *'ProxyError'* | *'Connection broken'* | *'SSLError'* | *'NewConnectionError'*)
                stop 4 "The Python packages could not be had: no network, or the package index does not answer. Behind a proxy, set https_proxy; for a mirror: pip3 config set global.index-url URL. Then: ./install.sh   (the log: $log)" \
                    "无法取得 Python 包：没有网络，或者软件包索引没有回应。如果有代理，请设置 https_proxy；如果用镜像：pip3 config set global.index-url 地址。然后运行：./install.sh（日志：$log）" ;;
            *'No matching distribution'* | *'from versions: none'*)
                stop 4 "A Python package could not be had: no network, or the package index has none for $(uname -m). Look at $log, then: ./install.sh" \
                    "无法取得某个 Python 包：没有网络，或者软件包索引里没有适用于 $(uname -m) 的版本。请查看 $log，然后运行：./install.sh" ;;
        esac
        tail -n 3 "$log" >&2
        stop 5 "Installing the Python packages failed. Look at $log, then: ./install.sh" \
            "安装 Python 包失败。请查看 $log，然后运行：./install.sh"
    }

    quiet_pip() { # settings of the person's that are for other installations; index, proxy and certificates stay
        unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT PIP_REQUIRE_VIRTUALENV VIRTUAL_ENV
        export PIP_USER=0 TMPDIR="$home/tmp" PIP_CACHE_DIR="${PIP_CACHE_DIR:-$home/cache}" PIP_RETRIES="${PIP_RETRIES:-2}"
        mkdir -p "$TMPDIR"
    }

    make_environment() {
        words '· Installing the Python packages (about a minute)' '· 正在安装 Python 包（大约一分钟）'
        "$python" -m venv "$env" >>"$log" 2>&1 || pip_failed
        if [ -n "$wheel" ]; then take_wheel; else lock=requirements.lock; fi
        pip install --require-hashes --only-binary :all: -r "$lock" || pip_failed
        [ -n "$wheel" ] || build_wheel
        pip install --no-index --no-deps "$home"/tmp/dist/clawrack-*.whl || pip_failed
        version=$("$env/bin/clawrack" --version 2>>"$log") ||
            stop 5 "The installed clawrack does not start. Look at $log" "安装好的 clawrack 无法启动。请查看 $log"
        sync -f "$env" 2>/dev/null || sync
        printf '%s\n' "version=${version#clawrack }" "from=${wheel:-$(pwd)}" "sha256=$sha256" \
            "made=$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$env/.whole.new"
        mv "$env/.whole.new" "$env/.whole"
    }

    build_wheel() {
        pip install --require-hashes --only-binary :all: --target "$home/tmp/build" -r requirements-build.lock || pip_failed
        PYTHONPATH=$home/tmp/build pip wheel --no-build-isolation --no-deps --wheel-dir "$home/tmp/dist" . || pip_failed
    }

    take_wheel() { # what is checked is a copy, and the copy is what is installed
        mkdir -p "$home/tmp/dist"
        copy=$home/tmp/dist/${wheel##*/} lock=$home/tmp/requirements.lock
        cp "$wheel" "$copy"
        found=$(sha256sum <"$copy" | cut -c 1-64)
        [ "$found" = "$sha256" ] || stop 3 "$wheel is not what it should be: its checksum is $found, not $sha256." \
            "$wheel 的内容不对：它的校验和是 $found，而不是 $sha256。"
        "$python" - "$copy" >"$lock" 2>>"$log" <<'END' || stop 2 \
            "$wheel carries no list of pinned packages, so it cannot be installed." "$wheel 里没有锁定的软件包清单，不能安装。"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as file:
    name, = (name for name in file.namelist() if name.endswith(".data/data/share/clawrack/requirements.lock"))
    sys.stdout.buffer.write(file.read(name))
END
    }

    need_environment() {
        env=$home/env-$(recipe)
        clear_rest
        if [ ! -e "$env/.whole" ] || ! "$env/bin/clawrack" --version >/dev/null 2>&1; then
            rm -rf "$env"
            enough_disk
            quiet_pip
            make_environment
        fi
        rm -rf "$home/tmp" "$home/cache"
    }

    need_scripts() { # for TAB; where they cannot be made, clawrack works all the same
        for shell in bash zsh fish; do
            script=$env/share/clawrack/completion.$shell
            [ ! -e "$script" ] || continue
            mkdir -p "$home/tmp" "${script%/*}"
            # What it might report of itself goes with the rest.
            ! XDG_STATE_HOME=$home/tmp "$env/bin/clawrack" completion "$shell" >"$home/tmp/$shell" 2>>"$log" ||
                mv "$home/tmp/$shell" "$script"
        done
        rm -rf "$home/tmp"
    }

    use() { # ENVIRONMENT: by one rename, so that there is always one; the one before stays for --back
        now=$(in_use)
        [ "$now" != "$1" ] || return 0
        if [ -n "$now" ]; then
            printf '%s\n' "$now" >"$1/.before.new"
            mv "$1/.before.new" "$1/.before"
            sync -f "$1" 2>/dev/null || sync
        fi
        ln -sfn "$1" "$home/current.new"
        mv -Tf "$home/current.new" "$home/current"
    }

    may_use() { # ENVIRONMENT: the one in use says whether that one can read what this one wrote
        now=$(in_use)
        case $now in '' | "$1") return 0 ;; esac
        judged=0
        said=$("$now/bin/clawrack" self judge "$1" 2>&1 >/dev/null) || judged=$?
        [ "$judged" != 3 ] || { printf '%s\n' "$said" >&2 && exit 3; } # any other end: it knows nothing of this
    }

    need_link() {
        ours || ln -sfn "$home/current/bin/clawrack" "$link"
        words "✓ clawrack is installed: $link" "✓ clawrack 已安装：$link"
    }

    stage() { # PATH
        if [ -d "$1" ]; then
            cd "$1" || exit 5
            whole_clone
        else
            [ -f "$1" ] || stop 2 "There is no $1." "没有 $1。"
            case $1 in /*) wheel=$1 ;; *) wheel=$PWD/$1 ;; esac
            cd "$home" || exit 5 # Python imports from the folder where it is started, and that may be anybody's
        fi
        take_lock
        : >"$log"
        need_python
        need_environment
        need_scripts
        ln -sfn "$env" "$home/staged.new"
        mv -Tf "$home/staged.new" "$home/staged"
    }

    switch() {
        take_lock
        env=$(readlink "$home/staged" 2>/dev/null || true)
        [ -e "$env/.whole" ] || stop 3 'Nothing was staged.' '没有准备好的新环境。'
        use "$env"
        clear_rest
    }

    back() {
        take_lock
        env=$(before)
        if [ ! -e "$env/.whole" ] || ! "$env/bin/clawrack" --version >/dev/null 2>&1; then
            stop 3 'There is no clawrack before this one to go back to.' '没有更早的 clawrack 可以退回。'
        fi
        use "$env"
    }

    drop() {
        take_lock
        env=''
        clear_rest
    }

    shells() { # `SHELL FILE` on each line: where each looks by itself for how a line of ours goes on
        printf '%s\n' "bash $share/bash-completion/completions/clawrack" "zsh $share/zsh/site-functions/_clawrack" \
            "fish $fish/clawrack.fish"
    }

    need_completions() { # links into what is in use, so that they are always its own
        shells | while read -r shell file; do
            script=$home/current/share/clawrack/completion.$shell
            if [ -e "$script" ] && [ ! -e "$file" ] && [ ! -L "$file" ]; then
                missing "$(dirname "$file")" >>"$made"
                { mkdir -p "$(dirname "$file")" && ln -s "$script" "$file"; } 2>/dev/null || continue
            fi
        done
        say_completion
    }

    say_completion() { # a person's own files are theirs to change
        # shellcheck disable=SC2016 # to be typed as it stands
        case ${SHELL:-} in
            */zsh) [ "$uid" = 0 ] || words "! For TAB in zsh, put this into ~/.zshrc before compinit: fpath+=($share/zsh/site-functions)" \
                "! 要在 zsh 里用 TAB 补全，请在 ~/.zshrc 的 compinit 之前加上：fpath+=($share/zsh/site-functions)" ;;
            */bash) [ -e /usr/share/bash-completion/bash_completion ] ||
                words '! For TAB in bash, put this into ~/.bashrc: eval "$(clawrack completion bash)"' \
                    '! 要在 bash 里用 TAB 补全，请在 ~/.bashrc 里加上：eval "$(clawrack completion bash)"' ;;
        esac
    }

    drop_completions() {
        shells | while read -r shell file; do
            [ "$(readlink "$file" 2>/dev/null)" != "$home/current/share/clawrack/completion.$shell" ] || rm -f "$file"
        done
    }

    say_path() {
        case ":$PATH:" in
            *":$bin:"*) ;;
            *) words "! $bin is not on your PATH. Type this, or log in again: export PATH=\"$bin:\$PATH\"" \
                "! $bin 不在 PATH 里。请输入下面这行，或重新登录：export PATH=\"$bin:\$PATH\"" ;;
        esac
    }

    agents_first() {
        [ -e /usr/local/lib/clawrack/guard.sh ] || return 0
        [ -n "$keep" ] || stop 3 \
            'This machine is prepared for agents, and they would keep running. First: clawrack machine remove here   Or leave them: ./install.sh --uninstall --keep-agents' \
            '这台机器已为智能体准备好，卸载后它们仍会继续运行。请先运行：clawrack machine remove here  如果要保留它们：./install.sh --uninstall --keep-agents'
        words '! The agents on this machine keep running. To remove them later, install clawrack again, then: clawrack machine remove here' \
            '! 这台机器上的智能体会继续运行。以后要移除它们，请重新安装 clawrack，然后运行：clawrack machine remove here'
    }

    left_packages() { # those that we added and that are still there, on one line
        [ -s "$packages" ] || return 0
        sort -u "$packages" | while read -r name; do
            dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$name" 2>/dev/null | sed -n 's/^installed //p'
        done | tr '\n' ' '
    }

    others_need() { # PACKAGE...: what apt would remove with them, and is not among them
        LC_ALL=C apt-get -s purge "$@" 2>/dev/null |
            awk -v mine=" $* " '/^(Remv|Purg) / && !index(mine, " " $2 " ") { print $2 }'
    }

    remove_packages() { # another program may have come to use them unknown to apt, so only where it is asked for
        mine=$(left_packages)
        [ -n "$mine" ] || return 0
        # shellcheck disable=SC2086 # names of packages have no spaces
        set -- $mine
        if [ -z "$also_packages" ] || [ -n "$(others_need "$@")" ] || ! may_be_root; then
            words "! These packages of the system were installed for it and stay, for others may use them: $*" \
                "! 以下系统软件包是为它安装的，但保留下来，因为别的程序可能在用：$*"
        else
            as_root dpkg --configure -a >/dev/null 2>&1 || true
            as_root apt-get -o DPkg::Lock::Timeout=600 -y purge "$@" >/dev/null 2>&1 ||
                words "! apt-get could not remove: $*" "! apt-get 无法移除：$*"
        fi
    }

    uninstall() {
        [ -e "$home" ] || ours || { words 'There is nothing to undo.' '没有需要撤销的东西。' && exit 0; }
        agents_first
        [ ! -d "$home" ] || take_lock
        ! ours || rm -f "$link"
        drop_completions
        remove_packages
        dirs=$(cat "$made" 2>/dev/null || true)
        rm -rf "$home"
        printf '%s\n' "$dirs" | sort -r | while read -r dir; do
            [ -z "$dir" ] || rmdir "$dir" 2>/dev/null || true
        done
        words "✓ clawrack is uninstalled. Your fleet's files, keys and cached images stay: ~/.config/clawrack ~/.local/state/clawrack ~/.cache/clawrack" \
            '✓ clawrack 已卸载。你的机群文件、密钥和镜像缓存保留在：~/.config/clawrack ~/.local/state/clawrack ~/.cache/clawrack'
        exit 0
    }

    yes='' setup=yes undo='' keep='' also_packages='' wheel='' sha256=''
    case ${1:-} in
        --stage | --switch | --drop | --back)
            choose_places
            sha256=${4:-}
            case $1 in
                --stage) stage "${2:?}" ;;
                --switch) switch ;;
                --drop) drop ;;
                --back) back ;;
            esac
            exit 0 ;;
    esac
    for word; do
        shift
        case $word in
            -h | --help) usage; exit 0 ;;
            --uninstall) undo=yes ;;
            --keep-agents) keep=yes ;;
            --packages) also_packages=yes ;;
            --no-setup) setup='' ;;
            --yes) yes=yes; set -- "$@" "$word" ;;
            *) set -- "$@" "$word" ;;
        esac
    done
    [ "$(uname -s)" = Linux ] || stop 3 \
        "clawrack runs on Linux; this is $(uname -s). From here you can still log in to a Linux machine and install it there." \
        "clawrack 在 Linux 上运行；这里是 $(uname -s)。可以登录到一台 Linux 机器，在那里安装。"
    choose_places
    [ -z "$undo" ] || uninstall
    enter_clone
    make_home
    take_lock
    : >"$log"
    need_python
    need_environment
    need_scripts
    may_use "$env"
    use "$env"
    need_link
    need_completions
    say_path
    exec 9>&-
    [ -n "$setup" ] || exit 0
    exec "$home/current/bin/clawrack" setup "$@"
}

{ install_clawrack "$@"; exit; }
