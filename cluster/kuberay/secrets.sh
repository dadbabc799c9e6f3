#!/usr/bin/env bash
# Makes the Secrets that the manifests name, with values of chance, where there are none; none that is there is changed.
#
#   cluster/kuberay/secrets.sh                 # for the overlay local, whose stores are in the cluster
#   RAYBID_REDIS_URL=rediss://... RAYBID_DATABASE_URL=postgresql://... GCS_PASSWORD=... cluster/kuberay/secrets.sh
#
# NAMESPACE: raybid by default. The TLS certificate is yours to make: Secret raybid-tls, of type kubernetes.io/tls.
set -euo pipefail

namespace=${NAMESPACE:-raybid}
folder=$(mktemp -d) # values go by files: on the command line every process would see them
trap 'rm -rf "$folder"' EXIT
umask 077

chance() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }

there() { kubectl --namespace "$namespace" get secret "$1" >/dev/null 2>&1; }

make() { # name, then KEY=FILE
  local name=$1
  shift
  if there "$name"; then
    echo "secret $name is there, and stays"
    return
  fi
  kubectl --namespace "$namespace" create secret generic "$name" "${@/#/--from-file=}" >/dev/null
  echo "secret $name is made"
}

kubectl create namespace "$namespace" --dry-run=client --output yaml | kubectl apply --filename - >/dev/null

if [ -z "${RAYBID_REDIS_URL:-}" ] && there raybid-settings && ! there raybid-ledger; then
  echo "secrets: raybid-settings is there, raybid-ledger is not: delete one, or make the other with its password" >&2
  exit 1
fi
for name in ledger catalog; do # the URLs made below have the passwords that the servers have
  if there "raybid-$name"; then
    kubectl --namespace "$namespace" get secret "raybid-$name" --output 'jsonpath={.data.password}' | base64 -d >"$folder/$name"
  else
    chance >"$folder/$name"
  fi
done
printf '%s' "${GCS_PASSWORD:-$(chance)}" >"$folder/gcs"
printf '%s' "${RAYBID_REDIS_URL:-redis://:$(cat "$folder/ledger")@raybid-ledger:6379/0}" >"$folder/redis_url"
printf '%s' "${RAYBID_DATABASE_URL:-postgresql://raybid:$(cat "$folder/catalog")@raybid-catalog:5432/raybid}" \
  >"$folder/database_url"
for name in token admin_key report_key notice_secret user_secret; do
  chance >"$folder/$name"
done

if [ -z "${RAYBID_REDIS_URL:-}" ]; then make raybid-ledger "password=$folder/ledger"; fi
if [ -z "${RAYBID_DATABASE_URL:-}" ]; then make raybid-catalog "password=$folder/catalog"; fi
make raybid-gcs "password=$folder/gcs"
make raybid-ray-token "auth_token=$folder/token"
make raybid-settings "RAYBID_REDIS_URL=$folder/redis_url" "RAYBID_DATABASE_URL=$folder/database_url" \
  "RAYBID_ADMIN_KEY=$folder/admin_key" "RAYBID_REPORT_KEY=$folder/report_key" "RAYBID_NOTICE_SECRET=$folder/notice_secret" \
  "RAYBID_USER_SECRET=$folder/user_secret"
there raybid-tls || echo "secret raybid-tls is missing: kubectl -n $namespace create secret tls raybid-tls --cert=FILE --key=FILE"
