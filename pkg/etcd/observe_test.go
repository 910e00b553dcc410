package etcd_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd"
)

// deadURL is one at which nobody listens.
func deadURL(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return "http://" + listener.Addr().String()
}

// wantContact checks what became of asking one member.
func wantContact(t *testing.T, v cluster.View, id cluster.MemberID, contact cluster.Contact, says string) {
	t.Helper()
	m := mustFind(t, v, id)
	if m.Contact != contact || !strings.Contains(m.Problem, says) || (contact == cluster.Answered) != (m.Problem == "") {
		t.Errorf("member %s: contact %d, problem %q; want contact %d and %q", id, m.Contact, m.Problem, contact, says)
	}
	if contact != cluster.Answered && (m.SizeBytes != 0 || m.Version != "" || m.Revision != 0 || m.Quota != cluster.Quota{}) {
		t.Errorf("member %s did not answer and has figures: %+v", id, m)
	}
}

func TestObserveNobody(t *testing.T) {
	u := deadURL(t)
	view := observe(t, open(t, u))
	if len(view.Members) != 0 || view.Local != 0 || !strings.Contains(view.Problem, "connection refused at "+u) {
		t.Errorf("view %+v, want no member and the problem", view)
	}
}

func TestObserveJudgesEachMember(t *testing.T) {
	local, other := startFake(t, 0xa), startFake(t, 0xb)
	stranger := startFake(t, 0xd)
	stranger.status.Header.ClusterId = 0xc2
	dead := deadURL(t)
	local.list = []*pb.Member{
		{ID: 0xf, ClientURLs: nil}, // added, never started
		{ID: 0xe, Name: "silent", ClientURLs: []string{dead}, IsLearner: true}, //
		{ID: 0xd, Name: "stranger", ClientURLs: []string{stranger.url}},
		{ID: 0xc, Name: "localhost", ClientURLs: []string{local.url}},
		{ID: 0xb, Name: "several", ClientURLs: []string{dead, local.url, other.url}},
		{ID: 0xa, Name: "local", ClientURLs: []string{dead}}, // asked at the endpoint all the same
	}
	c := open(t, local.url)
	for range 2 { // the second look starts from what the first one found
		view := observe(t, c)
		wantContact(t, view, 0xa, cluster.Answered, "")
		wantContact(t, view, 0xb, cluster.Answered, "")
		wantContact(t, view, 0xc, cluster.Mismatched, "is answered by member a")
		wantContact(t, view, 0xd, cluster.Mismatched, "of another cluster, c2")
		wantContact(t, view, 0xe, cluster.Silent, "connection refused at "+dead)
		wantContact(t, view, 0xf, cluster.Silent, "never started")
		if view.Local != 0xa || view.ClusterID != clusterID || !mustFind(t, view, 0xe).Learner {
			t.Errorf("view %+v", view)
		}
		var urls []string
		for _, client := range c.Clients() {
			urls = append(urls, client.Endpoints()...)
		}
		if want := []string{local.url, other.url}; !slices.Equal(urls, want) {
			t.Errorf("clients of %v, want %v", urls, want)
		}
	}
}

func TestObserveKeepsTheMemberList(t *testing.T) {
	local, other := startFake(t, 0xa), startFake(t, 0xb)
	local.list = []*pb.Member{{ID: 0xa, Name: "local", ClientURLs: []string{local.url}}, {ID: 0xb, Name: "other", ClientURLs: []string{other.url}}}
	other.list = local.list
	c := open(t, local.url)
	observe(t, c)
	local.server.Stop()
	other.set(func() {
		other.list = append(other.list, &pb.Member{ID: 0xc, Name: "new", ClientURLs: []string{deadURL(t)}})
	})
	view := observe(t, c)
	wantContact(t, view, 0xa, cluster.Silent, "")
	wantContact(t, view, 0xb, cluster.Answered, "")
	wantContact(t, view, 0xc, cluster.Silent, "connection refused") // the other's list counts while the endpoint has none
	other.server.Stop()
	view = observe(t, c)
	if len(view.Members) != 3 || view.Problem != "" || view.Local != 0xa {
		t.Errorf("view %+v, want the last list", view)
	}
}

func TestEndpointStraysToAnotherCluster(t *testing.T) {
	f := startFake(t, 0xa)
	c := open(t, f.url)
	observe(t, c)
	f.set(func() {
		f.status.Header.ClusterId = 0xc2
		f.list = []*pb.Member{{ID: 0xb, Name: "foreign", ClientURLs: []string{f.url}}}
	})
	view := observe(t, c)
	wantContact(t, view, 0xa, cluster.Mismatched, "of cluster c2, before it was cluster c1")
	if len(view.Members) != 1 || view.ClusterID != clusterID || len(c.Clients()) != 0 {
		t.Errorf("view %+v with %d clients, want only the member of before, and no client of the other cluster", view, len(c.Clients()))
	}
	f.set(func() { f.status.Header.ClusterId = clusterID; f.list[0].ID, f.list[0].Name = 0xa, "fake" })
	wantContact(t, observe(t, c), 0xa, cluster.Answered, "")
}

func TestAlarmListIsAskedForOnlyWhenItHasToBe(t *testing.T) {
	listed := cluster.Alarm{Member: 0xe, Kind: cluster.AlarmNoSpace}
	for name, tc := range map[string]struct {
		version string
		errors  []string
		asked   bool
		want    []cluster.Alarm
	}{
		"calm":           {"3.6.16", nil, false, nil},
		"no leader":      {"3.6.16", []string{"etcdserver: no leader"}, false, nil},
		"understood":     {"3.7.3", []string{"memberID:14  alarm:NOSPACE", "memberID:10  alarm:CORRUPT"}, false, []cluster.Alarm{{Member: 0xa, Kind: cluster.AlarmCorrupt}, listed}},
		"not understood": {"3.9.0", []string{"memberID:14 alarm:NOSPACE size:5"}, true, []cluster.Alarm{listed}},
		"not understood, and it may not be asked for": {"3.5.3", []string{"memberID:14 alarm:NOSPACE size:5"}, false, []cluster.Alarm{{Member: 0xa, Kind: cluster.AlarmOther}}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, 0xa)
			f.status.Version, f.status.Errors = tc.version, tc.errors
			f.alarms = []*pb.AlarmMember{{MemberID: 0xe, Alarm: pb.AlarmType_NOSPACE}}
			view := observe(t, open(t, f.url))
			if !slices.Equal(view.Alarms, tc.want) || (f.alarmRequests > 0) != tc.asked {
				t.Errorf("alarms %v after %d requests for the list; want %v, asked %t", view.Alarms, f.alarmRequests, tc.want, tc.asked)
			}
		})
	}
}

func TestQuota(t *testing.T) {
	const gib = 1 << 30
	for name, tc := range map[string]struct {
		told       int64
		metrics    string
		configured int64
		want       cluster.Quota
		conflict   bool
	}{
		"told in the status":              {told: 5 * gib, metrics: "3", want: cluster.Quota{Bytes: 5 * gib, Source: cluster.QuotaLearnt}},
		"none, told in the status":        {told: -1, want: cluster.Quota{Bytes: -1, Source: cluster.QuotaLearnt}},
		"told, and configured otherwise":  {told: 5 * gib, configured: gib, want: cluster.Quota{Bytes: 5 * gib, Source: cluster.QuotaLearnt, ConfiguredBytes: gib}, conflict: true},
		"told, and configured the same":   {told: gib, configured: gib, want: cluster.Quota{Bytes: gib, Source: cluster.QuotaLearnt, ConfiguredBytes: gib}},
		"in the metrics":                  {metrics: "5.36870912e+08", want: cluster.Quota{Bytes: gib / 2, Source: cluster.QuotaLearnt}},
		"zero in the metrics":             {metrics: "0", want: cluster.Quota{Bytes: 2 * gib, Source: cluster.QuotaLearnt}},
		"none, in the metrics":            {metrics: "-1", configured: gib, want: cluster.Quota{Bytes: -1, Source: cluster.QuotaLearnt, ConfiguredBytes: gib}, conflict: true},
		"configured":                      {configured: gib, want: cluster.Quota{Bytes: gib, Source: cluster.QuotaConfigured, ConfiguredBytes: gib}},
		"neither, so the default of etcd": {want: cluster.Quota{Bytes: 2 * gib, Source: cluster.QuotaAssumed}},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, 0xa)
			f.status.DbSizeQuota = tc.told
			page := serveMetrics(t, func() string { return tc.metrics })
			c := open(t, f.url, func(o *etcd.Options) { o.MetricsURL, o.QuotaBackendBytes = page, tc.configured })
			q := mustFind(t, observe(t, c), 0xa).Quota
			if q != tc.want || q.Conflict() != tc.conflict {
				t.Errorf("quota %+v, conflict %t; want %+v and %t", q, q.Conflict(), tc.want, tc.conflict)
			}
		})
	}
}

// serveMetrics serves a page with that quota, or none if it is empty.
func serveMetrics(t *testing.T, quota func() string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if q := quota(); q != "" && r.URL.Path == "/metrics" {
			fmt.Fprintf(w, "etcd_server_id{server_id=\"a\"} 1\netcd_server_quota_backend_bytes %s\n", q)
			return
		}
		http.NotFound(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestMetricsAreReadOncePerProcess(t *testing.T) {
	f := startFake(t, 0xa)
	f.status.DbSizeQuota, f.status.Version = 0, "3.5.35"
	var reads atomic.Int64
	var quota atomic.Value
	quota.Store("")
	page := serveMetrics(t, func() string { reads.Add(1); return quota.Load().(string) })
	c := open(t, f.url, func(o *etcd.Options) { o.MetricsURL = page })

	now := time.Unix(1_700_000_000, 0)
	look := func(after time.Duration, wantReads int64, want cluster.QuotaSource) {
		t.Helper()
		now = now.Add(after)
		q := mustFind(t, c.Observe(t.Context(), now), 0xa).Quota
		if reads.Load() != wantReads || q.Source != want {
			t.Errorf("after %v: read %d times, quota %+v; want %d times and %v", after, reads.Load(), q, wantReads, want)
		}
	}
	look(0, 1, cluster.QuotaAssumed)
	look(time.Second, 1, cluster.QuotaAssumed)     // too early
	look(10*time.Second, 2, cluster.QuotaAssumed)  // the first pause is over
	look(10*time.Second, 2, cluster.QuotaAssumed)  // the second one is longer
	quota.Store("1000")                            //
	look(10*time.Second, 3, cluster.QuotaLearnt)   //
	look(240*time.Hour, 3, cluster.QuotaLearnt)    // never again for this process
	f.set(func() { f.status.Version = "3.5.36" })  //
	look(10*time.Second, 4, cluster.QuotaLearnt)   // an upgraded server
	quota.Store("")                                //
	f.set(func() { f.status.Version = "3.5.37" })  //
	look(10*time.Second, 5, cluster.QuotaAssumed)  // what the old one said does not count for the new one
	look(360*time.Second, 6, cluster.QuotaAssumed) //
}
