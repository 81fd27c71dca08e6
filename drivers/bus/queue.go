package bus

import (
	"slices"
	"sync"
)

// job is a request in the queue. Whoever takes it out decides its fate: the owner by carrying it, the asker by withdrawing
// it. So an asker that was told "nothing was sent" can rely on it.
type job struct {
	Request
	answer chan result // capacity 1: an asker cannot block the owner
}

type result struct {
	answer Answer
	err    error
}

// queue holds who waits, in order of arrival for each priority.
type queue struct {
	wake chan struct{} // capacity 1: somebody has come

	mu   sync.Mutex
	jobs [priorities][]*job
}

// add puts j in, unless most of its priority wait already.
func (q *queue) add(j *job, most int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.jobs[j.Priority]) >= most {
		return false
	}
	q.jobs[j.Priority] = append(q.jobs[j.Priority], j)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// withdraw takes j out, and tells whether it was still in.
func (q *queue) withdraw(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.jobs[j.Priority], j)
	if i < 0 {
		return false
	}
	q.jobs[j.Priority] = slices.Delete(q.jobs[j.Priority], i, i+1)
	return true
}

// take takes out whose turn it is among those who may go; nil: nobody.
func (q *queue) take(may func(*job) bool) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	for p := range slices.Backward(q.jobs[:]) {
		if i := slices.IndexFunc(q.jobs[p], may); i >= 0 {
			j := q.jobs[p][i]
			q.jobs[p] = slices.Delete(q.jobs[p], i, i+1)
			return j
		}
	}
	return nil
}

// holds tells whether one waits who may go.
func (q *queue) holds(may func(*job) bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.ContainsFunc(q.jobs[Actuation], may) ||
		slices.ContainsFunc(q.jobs[Visible], may) || slices.ContainsFunc(q.jobs[Polling], may)
}

// waiting is how many wait.
func (q *queue) waiting() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for _, jobs := range q.jobs {
		n += len(jobs)
	}
	return n
}

func anybody(*job) bool { return true }
