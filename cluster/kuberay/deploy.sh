#!/usr/bin/env bash
# Brings an overlay with an image to the cluster that kubectl talks to, waits until it serves, tries it, and takes it back
# when it does not.
#
#   cluster/kuberay/deploy.sh production registry.example.com/raybid:1.4.0
#   cluster/kuberay/deploy.sh production registry.example.com/raybid@sha256:... # the very image that was checked
#
# SMOKE_URL: where to try it; without, through a port of this machine. WAIT_SECONDS: until it has to serve, 900 by default.
# POLL_SECONDS: between two looks, 10. RAYBID_SMOKE_KEY: see smoke.sh.
# Exit code 0: it serves. 1: it did not, and what was there before is there again. 2: nothing was tried.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
overlay=${1:-}
image=${2:-}
if [ -z "$overlay" ] || [ -z "$image" ] || [ ! -f "$here/overlays/$overlay/kustomization.yaml" ]; then
  echo "deploy: name an overlay and an image: cluster/kuberay/deploy.sh production registry.example.com/raybid:TAG" >&2
  exit 2
fi
# NAME@sha256:DIGEST, NAME:TAG, or NAME:TAG@sha256:DIGEST, of which the digest decides and the tag is left out.
# The last colon parts name and tag, unless it is the registry's port.
name=${image%%@*}
digest=
if [[ $image == *@* ]]; then
  digest=${image#*@}
  [[ $digest =~ ^sha256:[0-9a-f]{64}$ ]] || { echo "deploy: $digest is no digest: give NAME@sha256:64 hex digits" >&2; exit 2; }
fi
tag=
if [[ ${name##*/} == *:* ]]; then
  tag=${name##*:}
  name=${name%:*}
fi
if [ -z "$name" ] || [ -z "$tag$digest" ]; then
  echo "deploy: $image has no tag: give NAME:TAG, a tag that is never used again, or NAME@sha256:DIGEST" >&2
  exit 2
fi
if [ -n "$digest" ]; then
  image=$name@$digest
  chosen="digest: \"$digest\""
else
  chosen="newTag: \"$tag\""
fi
namespace=raybid
service=raybid
patience=${WAIT_SECONDS:-900}
pause=${POLL_SECONDS:-10}

work=$(mktemp -d "$here/.deploy.XXXXXX") # inside: kustomize names its resources by relative paths
forward=
# shellcheck disable=SC2329 # the trap calls it
stop() {
  if [ -n "$forward" ]; then kill "$forward" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap stop EXIT

cat >"$work/kustomization.yaml" <<END
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources: [../overlays/$overlay]
images:
  - {name: raybid, newName: "$name", $chosen}
END

field() { # jsonpath -> value of the RayService, empty where there is none
  kubectl --namespace "$namespace" get rayservice "$service" --output "jsonpath=$1" 2>/dev/null || true
}

# The RayService rolls out what hangs on it; the nightly job is to be of the same image.
remember() {
  local kind
  for kind in rayservice/$service cronjob/raybid-retrain; do
    kubectl --namespace "$namespace" apply view-last-applied "$kind" --output yaml \
      >"$work/before-${kind%%/*}.yaml" 2>/dev/null || rm -f "$work/before-${kind%%/*}.yaml"
  done
}

roll_back() {
  local file
  if [ ! -f "$work/before-rayservice.yaml" ]; then
    echo "deploy: there was no RayService before, so nothing to go back to; it stays as it is, to be looked at" >&2
    return
  fi
  for file in "$work"/before-*.yaml; do
    kubectl --namespace "$namespace" apply --filename "$file"
  done
  echo "deploy: taken back; the cluster that served before goes on" >&2
  wait_until_it_serves "$(sed -nE 's/^ *image: (.*)/\1/p' "$work/before-rayservice.yaml" | head -n 1)" ||
    echo "deploy: what was there before does not serve either: look at kubectl -n $namespace describe rayservice $service" >&2
}

# Ready alone is said of the cluster before, too: the one that is active has to have the image, and no other be on its way.
serves() { # image
  local cluster
  [ "$(field '{.metadata.generation}')" = "$(field '{.status.observedGeneration}')" ] || return 1
  [ "$(field '{.status.conditions[?(@.type=="Ready")].status}')" = True ] || return 1
  [ "$(field '{.status.conditions[?(@.type=="UpgradeInProgress")].status}')" != True ] || return 1
  cluster=$(field '{.status.activeServiceStatus.rayClusterName}')
  [ -n "$cluster" ] || return 1
  [ "$(kubectl --namespace "$namespace" get raycluster "$cluster" \
    --output 'jsonpath={.spec.headGroupSpec.template.spec.containers[0].image}')" = "$1" ]
}

wait_until_it_serves() { # image
  local begun=$SECONDS
  until serves "$1"; do
    if [ $((SECONDS - begun)) -ge "$patience" ]; then
      echo "deploy: $1 does not serve after $patience s" >&2
      return 1
    fi
    echo "deploy: $((SECONDS - begun)) s, waiting for $1: $(field '{range .status.conditions[*]}{.type}={.status} {end}')"
    sleep "$pause"
  done
  echo "deploy: $1 serves"
}

try_it() {
  local url=${SMOKE_URL:-} port=18000
  if [ -z "$url" ]; then
    kubectl --namespace "$namespace" port-forward "service/$service-serve-svc" "$port:8000" >/dev/null &
    forward=$!
    url=http://127.0.0.1:$port
  fi
  "$here/smoke.sh" "$url"
}

remember
if kubectl apply --kustomize "$work" && wait_until_it_serves "$image" && try_it; then
  echo "deploy: $overlay has $image"
  exit 0
fi
echo "deploy: $image failed, going back" >&2
kubectl --namespace "$namespace" get pods --output wide >&2 || true
kubectl --namespace "$namespace" describe rayservice "$service" >&2 || true
roll_back
exit 1
