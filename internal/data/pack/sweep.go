package pack

import "time"

const orphanAge = 24 * time.Hour
