#!/usr/bin/env bash
# Writes src/bindings.rs anew from the headers of Debian's libze-dev.
# Needs: apt-get install libze-dev libclang-dev; cargo install bindgen-cli
set -euo pipefail
cd "$(dirname "$0")"
bindgen "${ZE_DDI_HEADER:-/usr/include/level_zero/ze_ddi.h}" \
    --allowlist-item '_?(ze|ZE)_.*' \
    --blocklist-item '_?ze_\w*(callbacks|_params)_t' \
    --blocklist-item 'ze_pfn\w*Cb_t' \
    --blocklist-item 'ZE_(APICALL|APIEXPORT|DLLEXPORT|CALLBACK)' \
    --default-enum-style newtype_global \
    --constified-enum '_ze_\w*_flag_t' \
    --no-prepend-enum-name \
    --no-doc-comments \
    --with-derive-default \
    --use-core \
    --rust-target 1.85 --rust-edition 2024 \
    --merge-extern-blocks \
    --raw-line '// From the Level Zero headers, Copyright (C) 2019-2021 Intel Corporation,' \
    --raw-line '// SPDX-License-Identifier: MIT' \
    --raw-line '// Made by generate.sh from the headers of libze-dev; edit that, not this.' \
    -o src/bindings.rs
