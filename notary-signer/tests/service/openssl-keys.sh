#!/bin/sh
# A signing program: P-256 keys that openssl makes and uses, each in a file below the directory $1.
# It does not answer while there is a file `hangs`, and refuses to sign with the code that a file
# `refuses` holds; that it was asked then is told by a file `refused`.
set -eu
directory=$1

field() { # field NAME: a text of the request
    printf '%s' "$line" | sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"
}

public() { # public KEY: its public half, as a text in JSON
    openssl pkey -in "$directory/$1" -pubout | awk '{ printf "%s\\n", $0 }'
}

while read -r line; do
    id=${line#*\"id\":}
    id=${id%%[,\}]*}
    key=$(field key)
    call=$(field call)
    if [ -n "$key" ] && [ ! -f "$directory/$key" ]; then
        echo "$directory has no $key" >&2
        call=unknown
    fi
    case $call in
    check) answer='' ;;
    create)
        key=$(openssl rand -hex 16)
        openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$directory/$key"
        answer=",\"key\":\"$key\",\"public\":\"$(public "$key")\""
        ;;
    describe) answer=",\"public\":\"$(public "$key")\"" ;;
    sign)
        while [ -e "$directory/hangs" ]; do sleep 0.1; done
        if [ -e "$directory/refuses" ]; then
            touch "$directory/refused"
            code=$(cat "$directory/refuses")
            answer=",\"error\":{\"code\":\"$code\",\"message\":\"as told\"}"
        else
            signature=$(field digest | openssl base64 -d -A |
                openssl pkeyutl -sign -inkey "$directory/$key" | openssl base64 -A)
            answer=",\"signature\":\"$signature\""
        fi
        ;;
    unknown) answer=",\"error\":{\"code\":\"no_such_key\",\"message\":\"$key\"}" ;;
    esac
    printf '%s\n' "{\"id\":$id$answer}"
done
