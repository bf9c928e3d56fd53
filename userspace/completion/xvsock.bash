# SPDX-License-Identifier: MIT
# Completion of xvsock and xvsock-peer for bash. Subcommands and options come from what --help says, so that only the
# kinds of words, as Usage names them, are known here.

# What a program's --help says, once for a shell.
declare -gA _xvsock_help_texts

_xvsock_help() { # PROGRAM [SUBCOMMAND]
    [ -n "${_xvsock_help_texts[$*]-}" ] || _xvsock_help_texts[$*]=$("$@" --help 2> /dev/null)
    printf '%s\n' "${_xvsock_help_texts[$*]}"
}

# Long and short options, one on a line, each with the kind of its value, if it has one: "--json FILE".
_xvsock_options() { # PROGRAM [SUBCOMMAND]
    _xvsock_help "$@" | sed -nE \
        -e 's/^ +(-[a-zA-Z]), (--[a-z-]+)( .*|)$/\1\n\2/p' \
        -e 's/^ +(-[a-zA-Z]) \[ (--[a-z-]+) \]( ([A-Z]+)| \[=?[^A-Z]*([A-Z]+)[^]]*\]|)( .*|)$/\1 \4\5\n\2 \4\5/p' \
        -e 's/^ +(--[a-z-]+)( ([A-Z]+)| \[=([A-Z]+)[^]]*\]| arg|)( .*|)$/\1 \3\4/p'
}

# Of the names on the standard input those that begin so. Not by compgen -W, which would take them for words of the
# shell: whoever names a domain must not run commands here.
_xvsock_names() { # WORD
    local name
    while IFS= read -r name; do
        [[ $name =~ ^[A-Za-z0-9._-]+$ && $name == "$1"* ]] && printf '%s\n' "$name"
    done
}

_xvsock_candidates() { # KIND WORD
    case $1 in
        FILE) compgen -f -- "$2" ;;
        DIR) compgen -d -- "$2" ;;
        PEER | ADDRESS) _xvsock_names "$2" < <(xvsock peers --names 2> /dev/null) ;;
        DOMAIN) _xvsock_names "$2" < <(xl list 2> /dev/null | awk 'NR > 1 { print $1 }') ;;
        *) ;;
    esac
}

# The kinds of words that are no options, as the lines of Usage have them: "FILE... PEER[:PORT]" is "FILE PEER".
_xvsock_kinds() { # PROGRAM [SUBCOMMAND]
    _xvsock_help "$@" | sed -nE 's/^(Usage:|      ) +xvsock[a-z-]*( [a-z]+)?//p' |
        grep -oE '\<(FILE|DIR|PEER|DOMAIN|LISTEN|CONNECT|PROGRAM)\>' | sed -E 's/LISTEN|CONNECT/PEER/' | sort -u
}

_xvsock_fill() { # WORD, and what is completed on the standard input
    local line
    COMPREPLY=()
    while IFS= read -r line; do
        [ -n "$line" ] && COMPREPLY+=("$line")
    done
    # What names files is quoted by bash.
    [ ${#COMPREPLY[@]} -gt 0 ] && [ -e "${COMPREPLY[0]}" ] && compopt -o filenames 2> /dev/null
    return 0
}

# Words of a program without its subcommand.
_xvsock_words() { # WORD PREVIOUS PROGRAM [SUBCOMMAND]
    local word=$1 previous=$2 kind
    shift 2
    if [[ $previous == -* ]]; then
        kind=$(_xvsock_options "$@" | sed -nE "s/^${previous} ([A-Z]+)$/\1/p")
        if [ -n "$kind" ]; then
            _xvsock_fill < <(_xvsock_candidates "$kind" "$word")
            return
        fi
    fi
    if [[ $word == -* ]]; then
        _xvsock_fill < <(compgen -W "$(_xvsock_options "$@" | cut -d' ' -f1)" -- "$word")
        return
    fi
    _xvsock_fill < <(for kind in $(_xvsock_kinds "$@"); do
        _xvsock_candidates "$kind" "$word"
    done)
}

_xvsock() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        if [[ $word == -* ]]; then
            _xvsock_fill < <(compgen -W "$(_xvsock_options "$program" | cut -d' ' -f1)" -- "$word")
        else
            _xvsock_fill < <(compgen -W "$(_xvsock_help "$program" | sed -nE 's/^  ([a-z]+) .*/\1/p')" -- "$word")
        fi
        return
    fi
    # The program that is run completes its own words.
    if [ "${COMP_WORDS[1]}" = run ] && [[ $word != -* ]] && [[ $previous != --map ]]; then
        local at=2
        while [[ ${COMP_WORDS[at]-} == -* ]]; do
            [ "${COMP_WORDS[at]}" = --map ] && at=$((at + 1))
            at=$((at + 1))
        done
        if [ "$COMP_CWORD" -eq "$at" ]; then
            _xvsock_fill < <(compgen -c -- "$word")
        elif declare -F _command_offset > /dev/null; then
            _command_offset "$at"
        else
            _xvsock_fill < <(compgen -f -- "$word")
        fi
        return
    fi
    _xvsock_words "$word" "$previous" "$program" "${COMP_WORDS[1]}"
}

_xvsock_peer() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} program=${COMP_WORDS[0]}
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ] && [[ $word != -* ]]; then
        _xvsock_fill < <(compgen -W "$(_xvsock_help "$program" | sed -nE 's/^(Usage:|      ) +xvsock-peer ([a-z]+).*/\2/p' |
            sort -u)" -- "$word")
        return
    fi
    _xvsock_words "$word" "$previous" "$program"
}

complete -F _xvsock xvsock
complete -F _xvsock_peer xvsock-peer
