package deploy_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// built returns the package of that kind that `make verify-package` has built.
func built(t *testing.T, kind string) string {
	t.Helper()
	dir := os.Getenv("ETCD_WATCHDOG_PACKAGES")
	if dir == "" {
		t.Skip("no packages were built for this test: make verify-package does")
	}
	found, err := filepath.Glob(filepath.Join(dir, "*."+kind))
	if err != nil || len(found) != 1 {
		t.Fatalf("want one .%s in %s, found %q (%v)", kind, dir, found, err)
	}
	return found[0]
}

func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("there is no %s here", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// tree returns a line for every file below root: its mode and its content, or
// where it leads. Manual pages count as what they are when unpacked, and
// completions of zsh are where Debian does not look for them.
func tree(t *testing.T, root string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(path, root)
		if plain, packed := strings.CutSuffix(name, ".gz"); packed {
			reader, err := gzip.NewReader(bytes.NewReader(data))
			if err != nil {
				return err
			}
			if data, err = io.ReadAll(reader); err != nil {
				return err
			}
			name = plain
		}
		name = strings.Replace(name, "/zsh/vendor-completions/", "/zsh/site-functions/", 1)
		files[name] = fmt.Sprintf("%s %x", info.Mode(), sha256.Sum256(data))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// fromMake returns what `make install` puts in place.
func fromMake(t *testing.T) map[string]string {
	t.Helper()
	root := t.TempDir()
	run(t, "..", "make", "install", "DESTDIR="+root, "PREFIX=/usr")
	return tree(t, root)
}

// debian is what a .deb has besides, or in another place.
var debian = []string{"/usr/share/doc/etcd-watchdog/changelog.Debian", "/usr/share/doc/etcd-watchdog/copyright", "/usr/share/lintian/overrides/etcd-watchdog"}

// license is where others look for it.
const license = "/usr/share/licenses/etcd-watchdog/LICENSE"

// A package holds what `make install` puts in place, and nothing else.
func TestPackageHoldsWhatIsInstalled(t *testing.T) {
	t.Run("deb", func(t *testing.T) {
		deb, root := built(t, "deb"), t.TempDir()
		run(t, "", "dpkg-deb", "--extract", deb, root)
		got, want := tree(t, root), fromMake(t)
		delete(want, license)
		for _, name := range debian {
			if got[name] == "" {
				t.Errorf("the package has no %s", name)
			}
			delete(got, name)
		}
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: the package has %q, make install %q", name, got[name], want[name])
			}
		}
		for name := range got {
			if _, known := want[name]; !known {
				t.Errorf("%s is in the package, and make install does not put it in place", name)
			}
		}
		if conffiles := strings.TrimSpace(run(t, "", "dpkg-deb", "--info", deb, "conffiles")); conffiles != "/etc/etcd-watchdog/etcd-watchdog.yaml" {
			t.Errorf("an upgrade keeps what was changed in %q, want the configuration alone", conffiles)
		}
	})
	t.Run("rpm", func(t *testing.T) {
		rpm := built(t, "rpm")
		list := run(t, "", "rpm", "--query", "--package", "--nosignature", "--queryformat", "[%{FILEMODES:perms} %{FILENAMES}\n]", rpm)
		var got []string
		for line := range strings.Lines(list) {
			mode, name, _ := strings.Cut(strings.TrimSpace(line), " ")
			if !strings.HasPrefix(mode, "d") {
				got = append(got, strings.TrimSuffix(name, ".gz"))
			}
		}
		slices.Sort(got)
		if want := slices.Sorted(maps.Keys(fromMake(t))); !slices.Equal(got, want) {
			t.Errorf("the package has\n%q\nand make install\n%q", got, want)
		}
		if kept := strings.TrimSpace(run(t, "", "rpm", "--query", "--configfiles", "--package", "--nosignature", rpm)); kept != "/etc/etcd-watchdog/etcd-watchdog.yaml" {
			t.Errorf("an upgrade keeps what was changed in %q, want the configuration alone", kept)
		}
	})
}

// What the distributions' own tools say, but for what is argued in
// deploy/deb/lintian-overrides and deploy/rpm/rpmlint.toml.
func TestPackageIsLinted(t *testing.T) {
	t.Run("lintian", func(t *testing.T) {
		run(t, "", "lintian", "--allow-root", "--fail-on", "error,warning", built(t, "deb"))
	})
	t.Run("rpmlint", func(t *testing.T) {
		extractHere(t)
		if out := run(t, "", "rpmlint", "--config", "rpm/rpmlint.toml", built(t, "rpm")); !strings.Contains(out, " 0 errors, 0 warnings") {
			t.Errorf("rpmlint says:\n%s", out)
		}
	})
}

// extractHere makes rpmlint extract below its own directory. It calls cpio -id, which
// takes the absolute names of nFPM's archives as they are: as root it would install
// the package into this system.
func extractHere(t *testing.T) {
	t.Helper()
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	shim := "#!/bin/sh\nexec " + cpio + " --no-absolute-filenames \"$@\"\n"
	if err := os.WriteFile(filepath.Join(dir, "cpio"), []byte(shim), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}

// The program of a package is static: under NoExecPaths=/ of the unit no library and
// no loader can be mapped, so that a program that needs them ends with 203/EXEC for
// ever.
func TestPackageHasAStaticProgram(t *testing.T) {
	root := t.TempDir()
	run(t, "", "dpkg-deb", "--extract", built(t, "deb"), root)
	program, err := elf.Open(filepath.Join(root, "usr/bin/etcd-watchdog"))
	if err != nil {
		t.Fatal(err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			t.Errorf("the program is linked dynamically (%s): build it with CGO_ENABLED=0, as make build does", p.Type)
		}
	}
}

func TestPackageScriptsAreShell(t *testing.T) {
	scripts, err := filepath.Glob("*/*.sh")
	if err != nil || len(scripts) != 6 {
		t.Fatal("want three scripts for each kind of package", scripts, err)
	}
	for _, script := range scripts {
		run(t, "", "sh", "-n", script)
		if !strings.HasPrefix(read(t, script), "#!/bin/sh\n") {
			t.Errorf("%s does not say that sh runs it", script)
		}
	}
}

// life takes a package through its life in a root of its own: what is written
// goes to memory, and the host does not see it. There is no systemd running in it,
// as in an image that is being built. Last it prints what is left.
const life = `
mount -t tmpfs -o mode=755 tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" overlay "$1/root"
mkdir -p "$1/root/proc" "$1/root/dev" "$1/root/run" "$1/root/tmp"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
cp "$2" "$1/root/run/package.deb"
chroot "$1/root" sh -eu >&2 <<'END'
export DEBIAN_FRONTEND=noninteractive
say() { echo "life: $1" >&2; exit 1; }
dpkg --install /run/package.deb
etcd-watchdog version
etcd-watchdog check-config /etc/etcd-watchdog/etcd-watchdog.yaml
id etcd-watchdog || say "there is no user"
test -L /etc/systemd/system/multi-user.target.wants/etcd-watchdog.service || say "it is not enabled"
journalctl --dump-catalog | grep -q 'Defined-By: etcd-watchdog' || say "the journal does not know its entries"

# What the service and the administrator add.
mkdir -p /var/lib/etcd-watchdog /var/lib/etcd-watchdog@m1 /run/etcd-watchdog /run/etcd-watchdog@m1 /etc/etcd-watchdog/tls
touch /var/lib/etcd-watchdog/state.json /var/lib/etcd-watchdog@m1/state.json /etc/etcd-watchdog/tls/client.key
echo '# changed' >> /etc/etcd-watchdog/etcd-watchdog.yaml
cp /etc/etcd-watchdog/etcd-watchdog.yaml /etc/etcd-watchdog/m1.yaml
ln -s /usr/lib/systemd/system/etcd-watchdog@.service /etc/systemd/system/multi-user.target.wants/etcd-watchdog@m1.service

dpkg --install /run/package.deb
grep -q '^# changed' /etc/etcd-watchdog/etcd-watchdog.yaml || say "an upgrade has overwritten the configuration"
test -e /var/lib/etcd-watchdog/state.json || say "an upgrade has lost the state"
dpkg --remove etcd-watchdog
test -e /var/lib/etcd-watchdog/state.json || say "a removal has lost the state"
test -e /etc/etcd-watchdog/etcd-watchdog.yaml || say "a removal has lost the configuration"
dpkg --purge etcd-watchdog
if journalctl --dump-catalog | grep -q 'Defined-By: etcd-watchdog'; then say "the journal still knows its entries"; fi
id etcd-watchdog || say "the user is gone"
END
rm "$1/root/run/package.deb"
cd "$1/root" && find etc usr var run -xdev -path '*etcd-watchdog*' ! -type c | sort
`

// A purge leaves the administrator's keys and the user, and nothing else.
func TestPackagePurgeLeavesNothing(t *testing.T) {
	deb := built(t, "deb")
	if os.Geteuid() != 0 {
		t.Skip("only root can make a root to install into")
	}
	if _, err := os.Stat("/usr/lib/systemd/system/etcd-watchdog.service"); err == nil {
		t.Skip("the package is installed here already")
	}
	for _, tool := range []string{"dpkg", "unshare", "deb-systemd-helper", "journalctl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s here", tool)
		}
	}
	cmd := exec.Command("unshare", "--mount", "--propagation", "private", "sh", "-eu", "-c", life, "life", t.TempDir(), deb)
	var told strings.Builder
	cmd.Stderr = &told
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, told.String())
	}
	want := "etc/etcd-watchdog\netc/etcd-watchdog/tls\netc/etcd-watchdog/tls/client.key\n"
	if string(out) != want {
		t.Errorf("a purge leaves\n%swant the administrator's key alone\n%s\n%s", out, want, told.String())
	}
}
