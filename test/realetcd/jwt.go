package realetcd

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// JWT returns the flag of members whose tokens end after that time, whatever is
// done with them. Their keys are written to dir.
func JWT(dir string, ttl time.Duration) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", fmt.Errorf("a key for tokens: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", fmt.Errorf("a key for tokens: %w", err)
	}
	for name, block := range map[string]*pem.Block{
		"private.pem": {Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)},
		"public.pem":  {Type: "PUBLIC KEY", Bytes: public},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return "", fmt.Errorf("a key for tokens: %w", err)
		}
	}
	return fmt.Sprintf("--auth-token=jwt,pub-key=%[1]s/public.pem,priv-key=%[1]s/private.pem,sign-method=RS256,ttl=%[2]s", dir, ttl), nil
}
