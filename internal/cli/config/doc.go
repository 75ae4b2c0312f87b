// Package config has the commands of pachctl config and pachctl connect, which
// change the configuration on this machine (package configfile) and ask nobody.
package config
