package etcd

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"

	"github.com/etcd-watchdog/etcd-watchdog/pkg/cluster"
)

// parseAlarm reads one entry of a status answer's errors. Servers write an
// alarm as the text form of etcd's AlarmMember, whose spaces are not stable:
// `memberID:10501334649042878790 alarm:NOSPACE ` up to 3.6, and with another
// number of spaces from 3.7 on. The id is decimal. Entries that are no alarms,
// such as that there is no leader, give isAlarm false; an error says that the
// entry speaks of an alarm and that it cannot be told of which.
func parseAlarm(entry string) (a cluster.Alarm, isAlarm bool, err error) {
	if !strings.Contains(entry, "alarm:") && !strings.Contains(entry, "memberID:") {
		return cluster.Alarm{}, false, nil
	}
	kind := ""
	for _, field := range strings.Fields(strings.ReplaceAll(entry, ": ", ":")) {
		key, value, _ := strings.Cut(field, ":")
		switch {
		case key == "memberID" && a.Member == 0:
			id, err := strconv.ParseUint(value, 10, 64)
			if err != nil {
				return cluster.Alarm{}, true, fmt.Errorf("alarm %q: the member id: %w", entry, err)
			}
			a.Member = cluster.MemberID(id)
		case key == "alarm" && kind == "" && value != "":
			kind = value
		default:
			return cluster.Alarm{}, true, fmt.Errorf("alarm %q: unknown field %q", entry, field)
		}
	}
	if kind == "" { // without a member id it was raised for none, as anybody may
		return cluster.Alarm{}, true, fmt.Errorf("alarm %q: no kind", entry)
	}
	a.Kind = alarmKind(kind)
	return a, true, nil
}

func alarmKind(name string) cluster.AlarmKind {
	switch name {
	case pb.AlarmType_NOSPACE.String():
		return cluster.AlarmNoSpace
	case pb.AlarmType_CORRUPT.String():
		return cluster.AlarmCorrupt
	default:
		return cluster.AlarmOther
	}
}

// parseAlarms reads all entries of one member's answer. An entry that cannot
// be understood stands as an alarm of another kind of the member that gave it,
// and makes clear false.
func parseAlarms(from cluster.MemberID, entries []string) (alarms []cluster.Alarm, clear bool) {
	clear = true
	for _, entry := range entries {
		a, isAlarm, err := parseAlarm(entry)
		if err != nil {
			clear = false
			a = cluster.Alarm{Member: from, Kind: cluster.AlarmOther}
		}
		if isAlarm {
			alarms = append(alarms, a)
		}
	}
	return alarms, clear
}

// alarms puts together what the members say is listed. Only when one of them
// says something that cannot be understood, the alarm list itself is asked
// for, which is a raft proposal.
func (l *look) alarms(ctx context.Context, seen []sighting) []cluster.Alarm {
	var all []cluster.Alarm
	unclear, proposable, ask := false, true, ""
	for _, s := range seen {
		if s.member.Contact != cluster.Answered {
			continue
		}
		alarms, clear := parseAlarms(s.member.ID, s.errors)
		all = append(all, alarms...)
		unclear = unclear || !clear
		proposable = proposable && !alarmListUnsafe(s.member.Version)
		if ask == "" || s.member.ID == l.known.local {
			ask = s.url
		}
	}
	if unclear && proposable {
		if listed, err := l.c.alarmList(ctx, ask, l.known.cluster); err == nil {
			all = append(slices.DeleteFunc(all, func(a cluster.Alarm) bool { return a.Kind == cluster.AlarmOther }), listed...)
		}
	}
	slices.SortFunc(all, func(a, b cluster.Alarm) int {
		return cmp.Or(cmp.Compare(a.Member, b.Member), cmp.Compare(a.Kind, b.Kind))
	})
	return slices.Compact(all)
}

// alarmListUnsafe names the servers on which an AlarmList that is followed by a
// power cut can keep etcd from starting again.
func alarmListUnsafe(version string) bool {
	return slices.Contains([]string{"3.5.0", "3.5.1", "3.5.2", "3.5.3", "3.5.4"}, version)
}

func (c *Cluster) alarmList(ctx context.Context, u string, clusterID uint64) ([]cluster.Alarm, error) {
	k, err := c.conn(u)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.opts.RequestTimeout)
	defer cancel()
	list, err := pb.NewMaintenanceClient(k.client.ActiveConnection()).Alarm(ctx, &pb.AlarmRequest{Action: pb.AlarmRequest_GET})
	if err != nil {
		return nil, fmt.Errorf("list the alarms: %w", err)
	}
	if list.GetHeader().GetClusterId() != clusterID {
		return nil, fmt.Errorf("list the alarms: %s answers for another cluster", u)
	}
	var alarms []cluster.Alarm
	for _, a := range list.Alarms {
		alarms = append(alarms, cluster.Alarm{Member: cluster.MemberID(a.MemberID), Kind: alarmKind(a.Alarm.String())})
	}
	return alarms, nil
}
