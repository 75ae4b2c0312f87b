// Package admin serves admin_v2 and versionpb_v2: what a client asks before it
// asks for anything else.
package admin
