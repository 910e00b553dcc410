package policy

// Reason says in one word why a decision is what it is. The list is closed: a
// new one is a line in the changelog.
type Reason string

// The reasons.
const (
	BelowThreshold         Reason = "below_threshold"
	NearQuota              Reason = "near_quota"
	NospaceArmed           Reason = "nospace_armed"
	CorruptArmed           Reason = "corrupt_armed"
	IdentityMismatch       Reason = "identity_mismatch"
	NotQuorate             Reason = "not_quorate"
	MemberUnreachable      Reason = "member_unreachable"
	MemberCatchingUp       Reason = "member_catching_up"
	DefragmentationUnknown Reason = "defragmentation_unknown"
	CoolingDown            Reason = "cooling_down"
	OutsideWindow          Reason = "outside_window"
	StallBudget            Reason = "stall_budget"
	NothingToReclaim       Reason = "nothing_to_reclaim"
	LiveDataTooLarge       Reason = "live_data_too_large"
	LearnerFull            Reason = "learner_full"
	QuotaAssumed           Reason = "quota_assumed"
	WaitingForClaim        Reason = "waiting_for_claim"
	AnotherMembersTurn     Reason = "another_members_turn"
	Adopted                Reason = "adopted"
	VersionGuard           Reason = "version_guard"
	DiskTooSmall           Reason = "disk_too_small"
	Observing              Reason = "observing"
	QuotaInSight           Reason = "quota_in_sight"
	Paused                 Reason = "paused"
	WaitingForCompaction   Reason = "waiting_for_compaction"
)
