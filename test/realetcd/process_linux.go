package realetcd

import "syscall"

// dieWithParent has the kernel kill the process when the thread that started
// it ends, and with it when this process dies in whatever way.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
