// Package oidcclient keeps OIDC clients: the applications that sign people in
// here, and pachd itself, which is one of them. Registry hands on to it.
package oidcclient
