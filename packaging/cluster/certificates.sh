#!/bin/sh
# A private authority, and a certificate for each node of a cluster, signed by it. Run it again at any time, for example once a week: it
# renews what expires within 30 days and leaves the rest as it is. A running node takes renewed files by itself.
#
#   certificates.sh [-o OWNER] AUTHORITY FOLDER NAME...
#
# AUTHORITY gets ca.pem and ca.key. ca.key makes anybody a node: keep it away from the nodes. FOLDER/NAME gets what the node of that host
# name or address needs: node.pem, node.key and ca.pem. OWNER, a user's name or number, is who runs policyd and reads the key.
set -eu
umask 077
owner=
if [ "${1-}" = -o ]; then
  owner=$2
  shift 2
fi
[ "$#" -ge 3 ] || { echo "usage: $0 [-o OWNER] AUTHORITY FOLDER NAME..." >&2; exit 64; }
authority=$1 folder=$2
shift 2
days=365 renew_within=2592000

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2>/dev/null; }

mkdir -p "$authority"
if [ ! -e "$authority/ca.pem" ]; then
  new_key "$authority/ca.key"
  openssl req -x509 -new -key "$authority/ca.key" -days 3650 -subj '/CN=policyd cluster' -out "$authority/ca.pem.new"
  mv "$authority/ca.pem.new" "$authority/ca.pem"
  echo "made the authority $authority/ca.pem"
fi

for name; do
  node=$folder/$name
  if openssl x509 -checkend "$renew_within" -noout -in "$node/node.pem" >/dev/null 2>&1 &&
    openssl verify -CAfile "$authority/ca.pem" "$node/node.pem" >/dev/null 2>&1; then
    continue
  fi
  mkdir -p "$node"
  new_key "$node/node.key.new"
  # A host name's last label is no number, and has no colon.
  case $name in
    *:* | *.[0-9] | *.[0-9][0-9] | *.[0-9][0-9][0-9]) kind=IP ;;
    *) kind=DNS ;;
  esac
  printf 'subjectAltName=%s:%s\n' "$kind" "$name" >"$node/extensions"
  openssl req -new -key "$node/node.key.new" -subj "/CN=$name" |
    openssl x509 -req -CA "$authority/ca.pem" -CAkey "$authority/ca.key" -set_serial "0x$(openssl rand -hex 16)" -days "$days" \
      -extfile "$node/extensions" -out "$node/node.pem.new" 2>/dev/null
  rm "$node/extensions"
  cp "$authority/ca.pem" "$node/ca.pem.new"
  chmod 755 "$node"
  chmod 644 "$node/node.pem.new" "$node/ca.pem.new"
  [ -z "$owner" ] || chown "$owner" "$node/node.key.new"
  # A node that reads between two of these keeps what it had, because the files do not fit each other.
  for file in ca.pem node.key node.pem; do mv "$node/$file.new" "$node/$file"; done
  echo "made $node/node.pem, valid for $days days"
done
