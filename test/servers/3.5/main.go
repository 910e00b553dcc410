// Command etcd-3.5 is etcd's own server of the 3.5 line, unchanged, built from the
// version that this module's go.mod pins. Tests and the demo run it; it is a
// module of its own so that the program does not depend on the server.
package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
