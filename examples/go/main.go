// A shortener of links, with chi: paste a long one, get a short one. Kept in memory. No Dockerfile: `carrack deploy
// examples/go -a NAME` makes one. GREETING is what the page says first.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

const (
	mostLinks = 10000
	nameBytes = 5
)

var page = template.Must(template.ParseFiles("templates/page.html"))

type links struct {
	lock    sync.Mutex
	targets map[string]string
}

// The same target always has the same name.
func nameOf(target string) string {
	sum := sha256.Sum256([]byte(target))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:nameBytes]))
}

func (l *links) add(target string) (string, error) {
	parsed, err := url.Parse(target)
	if err != nil || (parsed.Scheme != "http" && parsed.Scheme != "https") || parsed.Host == "" {
		return "", errors.New("a link begins with http:// or https://")
	}
	l.lock.Lock()
	defer l.lock.Unlock()
	name := nameOf(target)
	if _, known := l.targets[name]; !known && len(l.targets) >= mostLinks {
		return "", errors.New("no room for another link")
	}
	l.targets[name] = target
	return name, nil
}

func (l *links) find(name string) (string, bool) {
	l.lock.Lock()
	defer l.lock.Unlock()
	target, known := l.targets[name]
	return target, known
}

func env(name, fallback string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return fallback
}

func routes(l *links) http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer)
	router.Get("/", func(answer http.ResponseWriter, request *http.Request) {
		if err := page.Execute(answer, env("GREETING", "Hello")); err != nil {
			log.Print(err)
		}
	})
	router.Post("/", func(answer http.ResponseWriter, request *http.Request) {
		name, err := l.add(request.FormValue("target"))
		if err != nil {
			http.Error(answer, err.Error(), http.StatusUnprocessableEntity)
			return
		}
		answer.WriteHeader(http.StatusCreated)
		answer.Write([]byte("/" + name + "\n"))
	})
	router.Get("/{name}", func(answer http.ResponseWriter, request *http.Request) {
		target, known := l.find(chi.URLParam(request, "name"))
		if !known {
			http.NotFound(answer, request)
			return
		}
		http.Redirect(answer, request, target, http.StatusFound)
	})
	return router
}

func main() {
	server := &http.Server{
		Addr:              ":" + env("PORT", "8080"),
		Handler:           routes(&links{targets: map[string]string{}}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		<-stop.Done()
		server.Shutdown(context.Background())
		close(ended)
	}()
	log.Printf("listening on %s", server.Addr)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-ended
}
