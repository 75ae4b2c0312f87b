#!/bin/sh
# Builds PROGRAM of Kubernetes VERSION into FILE from its Go modules, in 5 to 15 minutes.
# Its go.mod names modules of its own repository by no version, and Go takes that from
# nobody but Kubernetes itself: here each is the one that was published with it.
set -eu
program=$1 version=$2 file=$3
case $file in /*) ;; *) file=$PWD/$file ;; esac
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"
export GOFLAGS="-buildvcs=false -mod=mod"
go mod init "$program" 2>/dev/null
source=$(go mod download -json "k8s.io/kubernetes@v$version" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
staged=${version#1.}
awk '/^require \(/ { in_it = 1; next } /^\)/ { in_it = 0 } in_it && $1 !~ /^\/\// { print $1, $2 }' "$source/go.mod" |
	while read -r module at; do
		case $at in
		v0.0.0) go mod edit -replace="$module=$module@v0.$staged" ;;
		*) go mod edit -require="$module@$at" ;;
		esac
	done
go mod edit -require="k8s.io/kubernetes@v$version"
cp "$source/go.sum" .
chmod u+w go.sum
go build -ldflags "-s -w -X k8s.io/component-base/version.gitVersion=v$version -X k8s.io/component-base/version.gitMajor=1 \
	-X k8s.io/component-base/version.gitMinor=${staged%%.*}" -o "$file" "k8s.io/kubernetes/cmd/$program"
