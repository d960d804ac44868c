# eddy.bash: completion of eddy(1) for bash. What there is to complete it asks the program for, so that it knows
# the commands and options of the one that is installed. tests/completion.py runs it.

# The names below a heading of a help, which comes on standard input.
_eddy_names() {
    sed -n "/^$1:\$/,/^\$/s/^  \\([a-z0-9][a-z0-9-]*\\).*/\\1/p"
}

_eddy_options() {
    sed -n '/^options:$/,$s/^  \(-., \)\{0,1\}\(--[a-z-]*\).*/\2/p'
}

# What the help calls the value of "--name" or "-n"; nothing for a switch.
_eddy_value_of() {
    sed -n "/^options:\$/,\$s/^  \\(-., \\)\\{0,1\\}\\(--[a-z-]*\\) \\([A-Z][^ ]*\\).*/\\1\\2 \\3/p" |
        sed -n "s/^\\(.*, \\)\\{0,1\\}$1\\(, .*\\)\\{0,1\\} \\([^ ]*\\)\$/\\3/p"
}

# The candidates for the value of an option; files are told to readline as such.
_eddy_complete_value() {
    local program=$1 option=$2 value=$3 help=$4 current=$5 words=
    case $option in
    --backend) words=$("$program" backends 2> /dev/null | sed -n '2,/^$/s/ .*//p') ;;
    --model) words=$(_eddy_names models <<< "$help") ;;
    --log) words='none common combined json' ;;
    --wait) words='random fixed' ;;
    --files) words='pool uring' ;;
    --host) mapfile -t COMPREPLY < <(compgen -A hostname -- "$current") && return ;;
    --user) mapfile -t COMPREPLY < <(compgen -u -- "$current") && return ;;
    --cache-control | --metrics) return ;;
    esac
    case $value in
    DIR) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$current") ;;
    FILE* | PATH) compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$current") ;;
    *) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current") ;;
    esac
}

_eddy() {
    local program=${COMP_WORDS[0]/#\~/$HOME} current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    local -a command=()
    local first=1 help value
    COMPREPLY=()
    # "--name=value" is three words for readline.
    [ "$current" != '=' ] || current=
    [ "$previous" != '=' ] || previous=${COMP_WORDS[COMP_CWORD - 2]}
    [ "$previous" != "${COMP_WORDS[COMP_CWORD]}" ] || previous=${COMP_WORDS[COMP_CWORD - 1]}
    if [ "$COMP_CWORD" -gt 1 ]; then
        command=("${COMP_WORDS[1]}") first=2
        if [ "${COMP_WORDS[1]}" = bench ] && [ "$COMP_CWORD" -gt 2 ]; then
            command+=("${COMP_WORDS[2]}") first=3
        fi
    fi
    help=$("$program" "${command[@]}" --help 2> /dev/null) || return
    if [ "$COMP_CWORD" = 1 ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_eddy_names commands <<< "$help") --help --version" -- "$current")
        return
    fi
    value=
    [[ $COMP_CWORD -le $first || $previous != -* ]] || value=$(_eddy_value_of "$previous" <<< "$help")
    if [ -n "$value" ]; then
        _eddy_complete_value "$program" "$previous" "$value" "$help" "$current"
    elif [[ $current = -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_eddy_options <<< "$help") --help" -- "$current")
    elif [ "${command[*]}" = bench ]; then
        mapfile -t COMPREPLY < <(compgen -W "$(_eddy_names benches <<< "$help")" -- "$current")
    elif [ "${command[0]}" = serve ] || [ "${command[*]}" = 'bench merge' ]; then
        compopt -o filenames && mapfile -t COMPREPLY < <(compgen -d -- "$current")
    elif [ "${command[0]}" = show ]; then
        compopt -o filenames && mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}

complete -F _eddy eddy
