package watchdogs

import "syscall"

// dieWithParent has the kernel kill the process when its owner dies.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
