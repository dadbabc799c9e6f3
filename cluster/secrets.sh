#!/usr/bin/env bash
# Make the secrets that cluster/compose.yaml mounts: one file each, mode 0600, owned by the user that reads it.
#
#   sudo cluster/secrets.sh --domain bid.example.com       # or an address
#   cluster/secrets.sh --folder DIR --keep-owner        # a trial without containers: the files stay yours
#
# What is there already is kept. To replace one, remove its file, run this again and start the services anew.
# TLS: put your tls_cert (with its chain) and tls_key in place; without them a certificate authority of its own is
# made (ca_cert, for who must trust it) and a certificate for the domain that is good for a year.
set -euo pipefail
umask 077

folder=$(cd "$(dirname "$0")" && pwd)/secrets
domain=localhost
keep_owner=0
while [ $# -gt 0 ]; do
  case $1 in
    --folder) folder=${2:?--folder needs a folder}; shift 2 ;;
    --domain) domain=${2:?--domain needs a name}; shift 2 ;;
    --keep-owner) keep_owner=1; shift ;;
    *) echo "secrets: unknown option $1; see the head of $0" >&2; exit 2 ;;
  esac
done
if [ "$keep_owner" = 0 ] && [ "$(id -u)" != 0 ]; then
  echo "secrets: each file has to belong to the user that reads it in its container: run with sudo, or with --keep-owner" >&2
  exit 1
fi
command -v openssl >/dev/null || { echo "secrets: openssl is missing: install it" >&2; exit 1; }

mkdir -p "$folder"
cd "$folder"

random() { # NAME: a secret of 43 characters, unless there is one
  if [ ! -s "$1" ]; then openssl rand -base64 32 | tr '+/' '-_' | tr -d '=\n' >"$1"; fi
}
written() { # NAME TEXT: follows from other files, so it is made anew each time
  printf '%s\n' "$2" >"$1"
}
owned() { # UID NAME...
  local uid=$1
  shift
  chmod 0600 "$@"
  if [ "$keep_owner" = 0 ]; then chown "$uid:$uid" "$@"; fi
}

certificate() {
  local kind=DNS
  if [[ $domain =~ ^[0-9.]+$ ]]; then kind=IP; fi
  local names="DNS:localhost,IP:127.0.0.1,$kind:$domain"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Raybid's own authority" \
    -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout ca_key -out ca_cert 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$domain" -keyout tls_key -out request 2>/dev/null
  openssl x509 -req -in request -CA ca_cert -CAkey ca_key -CAcreateserial -days 365 -out tls_cert 2>/dev/null \
    -extfile <(printf 'subjectAltName=%s\nextendedKeyUsage=serverAuth\n' "$names")
  rm -f request ca_cert.srl
  owned 0 ca_key ca_cert
  chmod 0644 ca_cert # no secret: whoever calls has to trust it
}

for name in raybid_admin_key raybid_console_token raybid_report_key raybid_notice_secret raybid_user_secret ray_token redis_password postgres_password grafana_password; do random "$name"; done
written raybid_redis_url "redis://:$(cat redis_password)@redis:6379/0"
written raybid_database_url "postgresql://raybid:$(cat postgres_password)@postgres:5432/raybid"
written prometheus_key "$(cat raybid_report_key)"
written redis_auth "requirepass $(cat redis_password)"
if [ ! -s tls_cert ] && [ ! -s tls_key ]; then certificate; fi
for name in tls_cert tls_key; do
  [ -s "$name" ] || { echo "secrets: $folder/$name is missing, and its counterpart is there: add it, or remove both" >&2; exit 1; }
done

owned 10001 raybid_admin_key raybid_console_token raybid_report_key raybid_notice_secret raybid_user_secret raybid_redis_url raybid_database_url ray_token redis_password # Raybid
owned 999 redis_auth postgres_password # Redis, PostgreSQL
owned 65534 prometheus_key # Prometheus
owned 472 grafana_password # Grafana
owned 101 tls_cert tls_key # nginx
echo "secrets: $(find . -type f | wc -l) files in $folder"
