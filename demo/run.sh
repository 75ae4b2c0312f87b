#!/usr/bin/env bash
# Starts the demo identity provider and pachd, and on a fresh ./dev connects
# the two with the commands that an administrator would type.
set -euo pipefail
cd "$(dirname "$0")/.."

dev=$PWD/dev
umask 077
mkdir -p "$dev"

random() { head -c 32 /dev/urandom | base64 | tr -dc 'a-zA-Z0-9' | head -c "$1"; }
if [ ! -f "$dev/demo.env" ]; then
	cat >"$dev/demo.env.new" <<EOF
DEMO_CLIENT_SECRET=$(random 32)
DEMO_ALICE_PASSWORD=alice-$(random 8)
DEMO_BOB_PASSWORD=bob-$(random 8)
EOF
	mv "$dev/demo.env.new" "$dev/demo.env"
fi
set -a
. "$dev/demo.env"
set +a

idp= pachd=
stop() {
	trap - EXIT INT TERM
	for pid in $pachd $idp; do kill "$pid" 2>/dev/null || true; done
	wait 2>/dev/null || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A port answers before what is behind it does: a page must be there.
answers() { # PORT PATH PID
	for _ in $(seq 600); do
		if page "$1" "$2" 2>/dev/null; then return 0; fi
		if ! kill -0 "$3" 2>/dev/null; then return 1; fi
		sleep 0.05
	done
	return 1
}

page() ( # PORT PATH
	exec 3<>"/dev/tcp/localhost/$1" || exit 1
	printf 'GET %s HTTP/1.0\r\nHost: localhost:%s\r\n\r\n' "$2" "$1" >&3
	read -r -t 10 _ status _ <&3 && [ "$status" = 200 ]
)

for port in 30650 30656 30657 30658 30670; do
	if (exec 3<>"/dev/tcp/localhost/$port") 2>/dev/null; then
		echo "make run: something listens on port $port already, perhaps another make run: stop it first" >&2
		exit 1
	fi
done
bin/demo-idp &
idp=$!
answers 30670 /.well-known/openid-configuration "$idp" || { echo "make run: the demo identity provider did not start" >&2; exit 1; }
bin/pachd --data-dir "$dev" 2>"$dev/pachd.log" &
pachd=$!
answers 30658 /readyz "$pachd" || { wait "$pachd" || true; tail -n 3 "$dev/pachd.log" >&2; exit 1; }

if [ ! -f "$dev/connected" ]; then
	cat >"$dev/connector.yaml" <<EOF
type: oidc
id: demo
name: Demo identity provider
version: 1
config:
    issuer: http://localhost:30670
    clientID: pachyderm
    clientSecret: $DEMO_CLIENT_SECRET
    redirectURI: http://localhost:30658/callback
    insecureEnableGroups: true
    insecureSkipEmailVerified: false
    insecureSkipIssuerCallbackDomainCheck: false
    forwardedLoginParams:
        - login_hint
EOF
	# The administrator's own configuration, so that yours stays as it is.
	export PACH_CONFIG=$dev/pachctl-root.json
	echo
	echo "Connecting the identity provider, as the root user:"
	echo '$ pachctl auth use-auth-token <dev/root-token'
	bin/pachctl auth use-auth-token <"$dev/root-token"
	echo '$ pachctl auth whoami'
	bin/pachctl auth whoami
	echo '$ pachctl idp create-connector --config dev/connector.yaml'
	bin/pachctl idp create-connector --config "$dev/connector.yaml"
	echo '$ pachctl idp list-connector'
	bin/pachctl idp list-connector
	unset PACH_CONFIG
	touch "$dev/connected"
fi

cat <<EOF

Sign in, in another terminal, in this directory:

    bin/pachctl auth login            # opens your browser
    bin/pachctl auth login --no-browser
    bin/pachctl auth whoami

as  alice@example.com  with the password  $DEMO_ALICE_PASSWORD
or  bob@example.com    with the password  $DEMO_BOB_PASSWORD

pachd's log is dev/pachd.log; Ctrl-C stops; make run-clean starts over.
EOF
wait -n "$pachd" "$idp" || true
