#!/bin/sh
# Linux and macOS: sh lab.sh
cd "$(dirname "$0")" && exec "${PYTHON:-python3}" lab.py "$@"
