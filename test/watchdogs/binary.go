package watchdogs

import "os"

// tempDir is where the binary of this test process is built. The system's own
// cleaning of temporary files takes it away.
func tempDir() (string, error) { return os.MkdirTemp("", "etcd-watchdog-test") }
