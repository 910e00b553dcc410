package claim_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/claim"
	"github.com/etcd-watchdog/etcd-watchdog/pkg/etcd/etcdtest"
)

// A survey sees what no watchdog wrote, what a later one wrote, and who is at
// work; and it changes nothing.
func TestSurvey(t *testing.T) {
	kv, opts := etcdtest.NewKV(), options()
	ctx := t.Context()
	owner := claim.Identity{Host: "h", Process: 7, Version: "1.0"}
	book := claim.New(kv, kv, opts, owner, claim.NewEphemeralSession())
	if err := book.Enrol(ctx, 0xa); err != nil {
		t.Fatal(err)
	}
	book.Allow(time.Now().Add(time.Hour))
	if _, err := book.Take(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_, err := kv.Commit(ctx, claim.Txn{Put: []claim.KeyValue{
		{Key: "/test/claim/b/0000000000000009/00/begin"},
		{Key: "/test/claim/b/0000000000000009/00/end", Value: `{"v":2,"somebody":"else"}`},
		{Key: "/test/claim/b/notes"},
		{Key: "/test/other"},
		{Key: "/tester"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	before, _ := kv.Read(ctx, "/")
	survey, err := opts.Survey(ctx, kv)
	if err != nil {
		t.Fatal(err)
	}
	after, _ := kv.Read(ctx, "/")
	if !reflect.DeepEqual(before, after) {
		t.Error("the survey has changed something")
	}
	if len(survey.Books) == 1 {
		survey.Books[0].Lease = 0 // whatever it is
	}
	want := claim.Survey{
		Books: []claim.SurveyedBook{
			{Member: 0xa, Owner: owner, Whole: opts.Tickets - 1, Busy: 1},
		},
		Ignored: []string{"/test/claim/b/0000000000000009/00/begin", "/test/claim/b/0000000000000009/00/end"},
		Foreign: []string{"/test/claim/b/notes", "/test/other"},
	}
	if !reflect.DeepEqual(survey, want) {
		t.Errorf("got  %+v\nwant %+v", survey, want)
	}
}
