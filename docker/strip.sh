#!/bin/sh
# Take from a base image what an image at work never needs: `strip.sh [ROOT]`.
#
# Programs lose their set-user-ID and set-group-ID bits. Package managers are emptied, not removed: the
# engine would date a removal, and the same sources are to make the same image. The list of installed
# packages stays, for SBOMs.
set -eu
root=${1:-}
empty() {
    find "$@" -exec sh -c \
        'for f; do : > "$f"; chmod 644 "$f"; touch -d 2020-01-01T00:00:00Z "$f"; done' _ {} +
}

find "${root:-/}" -xdev -type f -perm /6000 -exec chmod a-s {} +
for folder in bin sbin usr/bin usr/sbin usr/local/bin; do
    [ -d "$root/$folder" ] || continue
    empty "$root/$folder" -maxdepth 1 -type f \( -name apt -o -name 'apt-*' -o -name dpkg \
        -o -name 'dpkg-*' -o -name pip -o -name 'pip[0-9]*' \)
done
python=usr/local/lib/python3
for folder in "$root"/usr/lib/apt "$root/$python"*/ensurepip "$root/$python"*/site-packages/pip; do
    [ ! -d "$folder" ] || empty "$folder" -type f
done
