//go:build !linux

package realetcd

import "syscall"

// dieWithParent: only Linux can do that.
func dieWithParent() *syscall.SysProcAttr { return nil }

// standsStill: only Linux tells.
func standsStill(int) bool { return true }
