package etcd_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
	"github.com/etcd-watchdog/etcd-watchdog/test/realetcd"
)

func TestCertificateOfAServer(t *testing.T) {
	onOneLine(t, func(t *testing.T, line realetcd.Line) {
		real := realetcd.Start(t, realetcd.Config{Line: line, Members: 1, TLS: true})
		url := real.Member(0).ClientURL
		now := time.Now()
		seen, err := watch(t, real, 0).Certificate(t.Context(), now, url)
		if left := seen.ExpiresAt.Sub(now); err != nil || seen.Untrusted+seen.WrongName != "" || left < 23*time.Hour || left > 24*time.Hour {
			t.Errorf("a good one: %+v, %v", seen, err)
		}
		late, err := watch(t, real, 0).Certificate(t.Context(), now.Add(48*time.Hour), url)
		if err != nil || late.Untrusted != "" || !late.ExpiresAt.Equal(seen.ExpiresAt) {
			t.Errorf("two days later: %+v, %v", late, err)
		}
		early, err := watch(t, real, 0).Certificate(t.Context(), now.Add(-48*time.Hour), url)
		if err != nil || early.Untrusted == "" {
			t.Errorf("before it is valid: %+v, %v", early, err)
		}
		without := watch(t, real, 0, func(o *etcd.Options) { o.CACert, o.Cert, o.Key = "", "", "" })
		foreign, err := without.Certificate(t.Context(), now, url)
		if err != nil || !strings.Contains(foreign.Untrusted, "unknown authority") || foreign.WrongName != "" {
			t.Errorf("without the authority: %+v, %v", foreign, err)
		}
		plain := realetcd.Start(t, realetcd.Config{Line: line, Members: 1})
		_, err = without.Certificate(t.Context(), now, strings.Replace(plain.Member(0).ClientURL, "http:", "https:", 1))
		if err == nil || !strings.Contains(err.Error(), "ends the connection: use http://") {
			t.Errorf("of a server without TLS: %v", err)
		}
	})
}

func TestCertificateFile(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text := []byte{}
	ends := []time.Time{time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2031, 1, 1, 0, 0, 0, 0, time.UTC)}
	for _, end := range ends {
		c := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: end}
		der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	path := filepath.Join(t.TempDir(), "c.pem")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for authorities, want := range map[bool]time.Time{false: ends[0], true: ends[1]} {
		if got, err := etcd.CertificateFile(path, authorities); err != nil || !got.Equal(want) {
			t.Errorf("authorities %v: %s, %v, want %s", authorities, got, err, want)
		}
	}
	if err := os.WriteFile(path, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := etcd.CertificateFile(path, true); err == nil {
		t.Error("a file without a certificate was read")
	}
}
