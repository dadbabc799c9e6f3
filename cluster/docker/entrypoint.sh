#!/usr/bin/env bash
# What a container of the image does: a part of a cluster by `raybid cluster`, or any other command of the image.
#
#   head     the cluster's first node
#   worker   joins the head at RAYBID_HEAD (default: head)
#   deploy   serve_config.yaml, then waits until bids are answered
set -euo pipefail

case ${1:-head} in
  head)
    export RAYBID_DASHBOARD_HOST=${RAYBID_DASHBOARD_HOST:-0.0.0.0} # the container's, which the network of containers guards
    exec python -m raybid.cli.main cluster head "${@:2}"
    ;;
  worker)
    export RAYBID_HEAD=${RAYBID_HEAD:-head}
    exec python -m raybid.cli.main cluster join "${@:2}"
    ;;
  deploy)
    exec python -m raybid.cli.main cluster deploy "${@:2}"
    ;;
  *)
    exec "$@"
    ;;
esac
