// Package version is the wire of versionpb_v2: which pachd this is. Generated;
// rpc serves it.
package version
