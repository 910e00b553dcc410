//go:build !linux

package watchdogs

import "syscall"

func dieWithParent() *syscall.SysProcAttr { return nil }
