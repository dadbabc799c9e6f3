#!/usr/bin/env bash
# What a container of the image does: `head`, `worker`, `deploy`, or any other command of the image.
#
#   head     the cluster's first node
#   worker   joins the head at RAYBID_HEAD (default: head)
#   deploy   the models where there are none, then serve_config.yaml, then waits until bids are answered
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
umask 077
export RAY_SERVE_HAPROXY_BINARY_PATH=${RAY_SERVE_HAPROXY_BINARY_PATH:-$(dirname "$here")/haproxy.sh}

# cluster/ray.env where the container's environment says nothing else: Ray needs it on every node before it starts.
while IFS='=' read -r name value; do
  if [[ $name =~ ^[A-Za-z_]+$ && -z ${!name+set} ]]; then export "$name=$value"; fi
done <"$here/../ray.env"

port=${RAYBID_RAY_PORT:-6380}
common=(--block --log-color false --node-ip-address "${RAYBID_NODE_IP:-$(hostname -i | cut -d' ' -f1)}")
common+=(--metrics-export-port "${RAYBID_RAY_METRICS_PORT:-8080}")
if [[ -n ${RAYBID_CPUS:-} ]]; then common+=(--num-cpus "$RAYBID_CPUS"); fi

case ${1:-head} in
  head)
    # With RAY_REDIS_ADDRESS the cluster's state is in Redis, and a head that starts again finds it there.
    secret=${RAYBID_SECRETS_DIR:-/run/secrets}/redis_password
    if [[ -n ${RAY_REDIS_ADDRESS:-} && -r $secret ]]; then common+=(--redis-password "$(<"$secret")"); fi
    exec ray start --head --port "$port" --dashboard-host "${RAYBID_DASHBOARD_HOST:-0.0.0.0}" \
      --dashboard-port "${RAYBID_DASHBOARD_PORT:-8265}" \
      --ray-client-server-port "${RAYBID_RAY_CLIENT_PORT:-10001}" "${common[@]}"
    ;;
  worker)
    # Serves on while the head is unavailable for longer than Ray's minute, and joins it again: as long as KubeRay's workers.
    export RAY_gcs_rpc_server_reconnect_timeout_s=${RAY_gcs_rpc_server_reconnect_timeout_s:-600}
    exec ray start --address "${RAYBID_HEAD:-head}:$port" "${common[@]}"
    ;;
  deploy)
    shift
    exec python -m pipelines.deploy "$@"
    ;;
  *)
    exec "$@"
    ;;
esac
