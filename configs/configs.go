// Package configs holds the sample configuration, which is also the
// documentation of every key. Tests of package config prove that it names
// every key there is and parses to exactly the defaults.
package configs

import _ "embed"

// Sample is the content of etcd-watchdog.yaml.
//
//go:embed etcd-watchdog.yaml
var Sample []byte
