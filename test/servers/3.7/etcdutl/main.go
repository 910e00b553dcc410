// Command etcdutl-3.7 is the snapshot command of etcd's own etcdutl of the 3.7 line,
// unchanged: `etcdutl-3.7 snapshot restore`. Tests restore clusters with it.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/etcdutl/v3/etcdutl"
)

func main() {
	root := &cobra.Command{Use: "etcdutl-3.7", SilenceUsage: true}
	root.AddCommand(etcdutl.NewSnapshotCommand())
	if err := root.Execute(); err != nil {
		os.Exit(1)
	}
}
