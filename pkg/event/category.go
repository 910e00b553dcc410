package event

// Category is what an error is about. Error texts are free and change with
// etcd; the categories are few and stay, so that errors can be counted.
type Category string

// The categories.
const (
	CategoryClaim           Category = "claim"           // tickets could not be read, put or given back; the claim was lost
	CategoryPause           Category = "pause"           // whether there is a pause could not be read
	CategoryDisk            Category = "disk"            // the disk of etcd.data-dir could not be looked at
	CategoryState           Category = "state"           // the state could not be kept or read
	CategoryRights          Category = "rights"          // the user lacks the role root
	CategoryConfiguration   Category = "configuration"   // a reload was refused
	CategoryCompaction      Category = "compaction"      // a step failed
	CategoryLeadership      Category = "leadership"      // a step failed
	CategoryDefragmentation Category = "defragmentation" // a step failed
	CategoryDisarm          Category = "disarm"          // a step failed
	CategoryMetrics         Category = "metrics"         // metrics could not be served or written
	CategoryOther           Category = "other"
)

// Categories returns all of them.
func Categories() []Category {
	return []Category{
		CategoryClaim, CategoryPause, CategoryDisk, CategoryState, CategoryRights, CategoryConfiguration, CategoryCompaction,
		CategoryLeadership, CategoryDefragmentation, CategoryDisarm, CategoryMetrics, CategoryOther,
	}
}

// categories are those of the kinds that report an error of one category only.
var categories = map[Kind]Category{
	EnrolFailed:           CategoryClaim,
	ClaimLost:             CategoryClaim,
	RightsMissing:         CategoryRights,
	ReloadFailed:          CategoryConfiguration,
	CompactionFailed:      CategoryCompaction,
	LeaderMoveFailed:      CategoryLeadership,
	DefragmentationFailed: CategoryDefragmentation,
	DisarmFailed:          CategoryDisarm,
	MetricsFailed:         CategoryMetrics,
}

// sources are the categories of the parts of a poll that report PollFailed.
var sources = map[string]Category{
	"claim": CategoryClaim, "leave": CategoryClaim, "release": CategoryClaim,
	"pause": CategoryPause, "disk": CategoryDisk, "state": CategoryState,
}

// ErrorCategory returns the category of the error that e reports; false if it
// reports none.
func (e Event) ErrorCategory() (Category, bool) {
	if c, known := categories[e.Kind]; known {
		return c, true
	}
	if e.Kind != PollFailed {
		return "", false
	}
	if c, known := sources[e.Source]; known {
		return c, true
	}
	return CategoryOther, true
}
