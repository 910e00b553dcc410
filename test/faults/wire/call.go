package wire

import (
	"strings"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	"google.golang.org/protobuf/proto"
)

// Kind says which of the watchdog's writes a call is.
type Kind string

// The writes of a watchdog. Everything else, from whomever, is Other.
const (
	Grant      Kind = "grant"       // a lease for tickets
	Enrol      Kind = "enrol"       // puts tickets
	Take       Kind = "take"        // deletes the begin of a ticket
	GiveBack   Kind = "give back"   // deletes both keys of a ticket
	Renew      Kind = "renew"       // a keepalive of a lease
	Revoke     Kind = "revoke"      // the end of a lease
	Compact    Kind = "compact"     //
	MoveLeader Kind = "move leader" //
	Defragment Kind = "defragment"  //
	Disarm     Kind = "disarm"      //
	Other      Kind = "other"       //
)

// Kinds are the writes of a watchdog, in the order in which it makes them.
func Kinds() []Kind {
	return []Kind{Grant, Enrol, Renew, Compact, Take, MoveLeader, Defragment, GiveBack, Disarm, Revoke}
}

// Call is the first message of a gRPC stream, which for all but watches and
// lasting keepalives is the whole request.
type Call struct {
	Member string // the name of the proxy that it came to
	Caller string // the name of the process that made it; "" for one that is not known
	Method string // such as /etcdserverpb.KV/Txn
	Kind   Kind
}

// kinds are the methods that are a kind by themselves.
var kinds = map[string]Kind{
	pb.Lease_LeaseGrant_FullMethodName:       Grant,
	pb.Lease_LeaseRevoke_FullMethodName:      Revoke,
	pb.Lease_LeaseKeepAlive_FullMethodName:   Renew,
	pb.KV_Compact_FullMethodName:             Compact,
	pb.Maintenance_MoveLeader_FullMethodName: MoveLeader,
	pb.Maintenance_Defragment_FullMethodName: Defragment,
}

// kindOf tells what a call is. Tickets are below the prefix, which ends with a
// slash.
func kindOf(method string, message []byte, prefix string) Kind {
	if kind, ok := kinds[method]; ok {
		return kind
	}
	switch method {
	case pb.Maintenance_Alarm_FullMethodName:
		var alarm pb.AlarmRequest
		if proto.Unmarshal(message, &alarm) == nil && alarm.Action == pb.AlarmRequest_DEACTIVATE {
			return Disarm
		}
	case pb.KV_Txn_FullMethodName:
		var txn pb.TxnRequest
		if proto.Unmarshal(message, &txn) == nil {
			return kindOfTxn(&txn, prefix)
		}
	}
	return Other
}

// kindOfTxn tells what a transaction does to tickets. Deleting a begin that has
// no end is no take: that clears up after somebody else.
func kindOfTxn(txn *pb.TxnRequest, prefix string) Kind {
	var puts, begins, ends int
	for _, op := range txn.Success {
		key := op.GetRequestDeleteRange().GetKey()
		if put := op.GetRequestPut(); put != nil {
			key, puts = put.Key, puts+1
		}
		if !strings.HasPrefix(string(key), prefix) {
			return Other
		}
		switch {
		case op.GetRequestPut() != nil:
		case strings.HasSuffix(string(key), "/begin"):
			begins++
		case strings.HasSuffix(string(key), "/end"):
			ends++
		}
	}
	switch {
	case puts > 0:
		return Enrol
	case begins == 1 && ends == 1:
		return GiveBack
	case begins == 1 && !demandsNoEnd(txn):
		return Take
	}
	return Other
}

func demandsNoEnd(txn *pb.TxnRequest) bool {
	for _, c := range txn.Compare {
		if c.Target == pb.Compare_CREATE && c.GetCreateRevision() == 0 && strings.HasSuffix(string(c.Key), "/end") {
			return true
		}
	}
	return false
}
