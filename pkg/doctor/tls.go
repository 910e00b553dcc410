package doctor

import (
	"fmt"
	"strings"
	"time"
)

// How long before the end of a certificate it is reported.
const (
	renewSoon = 30 * 24 * time.Hour
	renewNow  = 7 * 24 * time.Hour
)

// credentials begins the paths of what systemd has copied for a service.
const credentials = "/run/credentials/"

func checkTLS(f Facts) []Finding {
	if len(f.Configuration.Faults) > 0 {
		return []Finding{unknown("not looked at, since the configuration has faults", "which certificates are used can't be known", "correct the configuration")}
	}
	var all []Finding
	for _, s := range f.Servers {
		all = append(all, ofServer(f, s))
	}
	for _, file := range f.Files {
		all = append(all, ofFile(f.At, file))
	}
	if len(all) == 0 {
		return unasked()
	}
	return all
}

func ofServer(f Facts, s Server) Finding {
	of := func(finding Finding) Finding { return finding.of(s.Member) }
	switch {
	case s.Plain:
		return of(ofPlain(f.Configuration.User, s))
	case s.Problem != "":
		return of(unknown(fmt.Sprintf("%s shows no certificate: %s", s.URL, s.Problem), "whether its certificate is good, and for how long, can't be said", "see to it that etcd answers there with TLS"))
	case !f.At.Before(s.ExpiresAt):
		return of(expired(s.URL, f.At, s.ExpiresAt, "nobody who verifies it can reach this member"))
	case f.Configuration.SkipVerify:
		return of(warning(s.URL+": the certificate is not verified, as insecure-skip-tls-verify says", "anybody who can stand in for the member gets the password",
			"set etcd.cacert to the authority of etcd's certificates, and etcd.insecure-skip-tls-verify to false"))
	case s.Untrusted != "":
		return of(critical(fmt.Sprintf("%s: the certificate is not trusted: %s", s.URL, s.Untrusted), "the watchdog does not speak to this member",
			"set etcd.cacert to the authority of etcd's certificates"))
	case s.WrongName != "":
		return of(critical(fmt.Sprintf("%s: the certificate is of another host: %s", s.URL, s.WrongName), "the watchdog does not speak to this member",
			"issue it with all names and addresses under which members are asked (etcd's advertise-client-urls)"))
	}
	return of(lasting(s.URL+": the certificate is good", f.At, s.ExpiresAt, "nobody who verifies it will reach this member any more",
		"renew it; etcd reads renewed files by itself, the watchdog too"))
}

func ofPlain(user string, s Server) Finding {
	switch {
	case s.Loopback:
		return fine(s.URL + ": without TLS, and on loopback")
	case user != "":
		return warning(s.URL+": without TLS, and a password is sent", "whoever can listen on the network learns the password of a user that may do everything", "serve clients with TLS: etcd's cert-file, key-file and trusted-ca-file")
	default:
		return better(s.URL+": without TLS", "whoever reaches that port, or listens on the network, can read and change what is in etcd", "serve clients with TLS, if the network is not yours alone")
	}
}

func ofFile(at time.Time, file File) Finding {
	name := fmt.Sprintf("etcd.%s, %s", file.Key, file.Path)
	remedy := "renew it; the file is read again at each connection"
	ends := "etcd will refuse this watchdog's connections"
	if file.Key == "cacert" {
		remedy = "add the new authority to the file, which is read again at each connection"
		ends = "nobody will be able to verify the members any more"
	}
	if strings.HasPrefix(file.Path, credentials) {
		remedy = "renew the file that LoadCredential= names, and restart the watchdog: systemd copies it at the start alone"
	}
	switch {
	case file.Problem != "":
		return unknown(fmt.Sprintf("%s: %s", name, file.Problem), "for how long it is good can't be said", "name a file in PEM form that can be read")
	case !at.Before(file.ExpiresAt):
		return expired(name, at, file.ExpiresAt, ends)
	}
	return lasting(name, at, file.ExpiresAt, ends, remedy)
}

func expired(what string, at, ends time.Time, meaning string) Finding {
	return critical(fmt.Sprintf("%s: expired %s ago", what, roughly(at.Sub(ends))), meaning, "renew it, or set the clock of this host if that is wrong")
}

func lasting(what string, at, ends time.Time, meaning, remedy string) Finding {
	left := ends.Sub(at)
	said := fmt.Sprintf("%s, for %s more", what, roughly(left))
	switch {
	case left < renewNow:
		return critical(said, meaning, remedy)
	case left < renewSoon:
		return warning(said, meaning, remedy)
	default:
		return fine(said)
	}
}
