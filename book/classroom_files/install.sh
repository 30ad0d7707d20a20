#!/bin/sh
# Linux and macOS: sh install.sh
cd "$(dirname "$0")" && exec "${PYTHON:-python3}" install.py
