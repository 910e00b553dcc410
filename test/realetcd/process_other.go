//go:build !linux

package realetcd

import "syscall"

// dieWithParent: only Linux can do that.
func dieWithParent() *syscall.SysProcAttr { return nil }
