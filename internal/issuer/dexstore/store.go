package dexstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
)

// updater changes an object.
type updater[T any] = func(T) (T, error)

// The kinds. Their names are stored: do not change them.
var (
	authRequests = kind[storage.AuthRequest]{
		"auth_request", func(v storage.AuthRequest) string { return v.ID }, func(v storage.AuthRequest) time.Time { return v.Expiry },
	}
	authCodes = kind[storage.AuthCode]{
		"auth_code", func(v storage.AuthCode) string { return v.ID }, func(v storage.AuthCode) time.Time { return v.Expiry },
	}
	clients       = kind[storage.Client]{"client", func(v storage.Client) string { return v.ID }, nil}
	connectors    = kind[storage.Connector]{"connector", func(v storage.Connector) string { return v.ID }, nil}
	refreshTokens = kind[storage.RefreshToken]{
		"refresh_token", func(v storage.RefreshToken) string { return v.ID }, nil,
	}
	passwords = kind[storage.Password]{
		"password", func(v storage.Password) string { return strings.ToLower(v.Email) }, nil,
	}
	offlineSessions = kind[storage.OfflineSessions]{
		"offline_sessions", func(v storage.OfflineSessions) string { return pair(v.UserID, v.ConnID) }, nil,
	}
	userIdentities = kind[storage.UserIdentity]{
		"user_identity", func(v storage.UserIdentity) string { return pair(v.UserID, v.ConnectorID) }, nil,
	}
	authSessions = kind[storage.AuthSession]{
		"auth_session", func(v storage.AuthSession) string { return v.ID }, sessionExpiry,
	}
	deviceRequests = kind[storage.DeviceRequest]{
		"device_request", func(v storage.DeviceRequest) string { return v.UserCode }, func(v storage.DeviceRequest) time.Time { return v.Expiry },
	}
	deviceTokens = kind[storage.DeviceToken]{
		"device_token", func(v storage.DeviceToken) string { return v.DeviceCode }, func(v storage.DeviceToken) time.Time { return v.Expiry },
	}
	keys = kind[storage.Keys]{"keys", nil, nil} // whose id is the store's
)

// The ids of keys: of those that sign ID tokens, and access tokens.
const (
	idTokenKeys     = "signing"
	accessTokenKeys = "access-tokens"
)

// pair joins two ids by a character that neither has: ("a", "b/c") is not
// ("a/b", "c").
func pair(a, b string) string { return a + "\x1f" + b }

// sessionExpiry is whichever limit comes first; a session has both.
func sessionExpiry(v storage.AuthSession) time.Time {
	if v.IdleExpiry.Before(v.AbsoluteExpiry) {
		return v.IdleExpiry
	}
	return v.AbsoluteExpiry
}

// CreateAuthRequest and the other methods below are Dex's storage.Storage;
// their contract is documented there.
func (s *objects) CreateAuthRequest(ctx context.Context, v storage.AuthRequest) error {
	return authRequests.create(ctx, s, v)
}

func (s *objects) CreateAuthCode(ctx context.Context, v storage.AuthCode) error {
	return authCodes.create(ctx, s, v)
}

func (s *objects) CreateClient(ctx context.Context, v storage.Client) error {
	return clients.create(ctx, s, v)
}

func (s *objects) CreateConnector(ctx context.Context, v storage.Connector) error {
	return connectors.create(ctx, s, v)
}

func (s *objects) CreateRefresh(ctx context.Context, v storage.RefreshToken) error {
	return refreshTokens.create(ctx, s, v)
}

func (s *objects) CreatePassword(ctx context.Context, v storage.Password) error {
	return passwords.create(ctx, s, v)
}

func (s *objects) CreateOfflineSessions(ctx context.Context, v storage.OfflineSessions) error {
	return offlineSessions.create(ctx, s, v)
}

func (s *objects) CreateUserIdentity(ctx context.Context, v storage.UserIdentity) error {
	return userIdentities.create(ctx, s, v)
}

func (s *objects) CreateAuthSession(ctx context.Context, v storage.AuthSession) error {
	return authSessions.create(ctx, s, v)
}

func (s *objects) CreateDeviceRequest(ctx context.Context, v storage.DeviceRequest) error {
	return deviceRequests.create(ctx, s, v)
}

func (s *objects) CreateDeviceToken(ctx context.Context, v storage.DeviceToken) error {
	return deviceTokens.create(ctx, s, v)
}

func (s *objects) GetAuthRequest(ctx context.Context, id string) (storage.AuthRequest, error) {
	return authRequests.get(ctx, s, id)
}

func (s *objects) GetAuthCode(ctx context.Context, id string) (storage.AuthCode, error) {
	return authCodes.get(ctx, s, id)
}

func (s *objects) GetClient(ctx context.Context, id string) (storage.Client, error) {
	return clients.get(ctx, s, id)
}

func (s *objects) GetConnector(ctx context.Context, id string) (storage.Connector, error) {
	return connectors.get(ctx, s, id)
}

func (s *objects) GetRefresh(ctx context.Context, id string) (storage.RefreshToken, error) {
	return refreshTokens.get(ctx, s, id)
}

func (s *objects) GetPassword(ctx context.Context, email string) (storage.Password, error) {
	return passwords.get(ctx, s, strings.ToLower(email))
}

func (s *objects) GetOfflineSessions(ctx context.Context, userID, connID string) (storage.OfflineSessions, error) {
	return offlineSessions.get(ctx, s, pair(userID, connID))
}

func (s *objects) GetUserIdentity(ctx context.Context, userID, connID string) (storage.UserIdentity, error) {
	return userIdentities.get(ctx, s, pair(userID, connID))
}

func (s *objects) GetAuthSession(ctx context.Context, id string) (storage.AuthSession, error) {
	return authSessions.get(ctx, s, id)
}

func (s *objects) GetDeviceRequest(ctx context.Context, userCode string) (storage.DeviceRequest, error) {
	return deviceRequests.get(ctx, s, userCode)
}

func (s *objects) GetDeviceToken(ctx context.Context, deviceCode string) (storage.DeviceToken, error) {
	return deviceTokens.get(ctx, s, deviceCode)
}

// GetKeys returns no keys, and no error, before the first are made.
func (s *objects) GetKeys(ctx context.Context) (storage.Keys, error) {
	v, err := keys.get(ctx, s, s.keys)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Keys{}, nil
	}
	return v, err
}

func (s *objects) ListClients(ctx context.Context) ([]storage.Client, error) {
	return clients.list(ctx, s)
}

func (s *objects) ListConnectors(ctx context.Context) ([]storage.Connector, error) {
	return connectors.list(ctx, s)
}

func (s *objects) ListRefreshTokens(ctx context.Context) ([]storage.RefreshToken, error) {
	return refreshTokens.list(ctx, s)
}

func (s *objects) ListPasswords(ctx context.Context) ([]storage.Password, error) {
	return passwords.list(ctx, s)
}

func (s *objects) ListUserIdentities(ctx context.Context) ([]storage.UserIdentity, error) {
	return userIdentities.list(ctx, s)
}

func (s *objects) ListAuthSessions(ctx context.Context) ([]storage.AuthSession, error) {
	return authSessions.list(ctx, s)
}

func (s *objects) DeleteAuthRequest(ctx context.Context, id string) error {
	return authRequests.delete(ctx, s, id)
}

func (s *objects) DeleteAuthCode(ctx context.Context, id string) error {
	return authCodes.delete(ctx, s, id)
}

func (s *objects) DeleteClient(ctx context.Context, id string) error {
	return clients.delete(ctx, s, id)
}

func (s *objects) DeleteConnector(ctx context.Context, id string) error {
	return connectors.delete(ctx, s, id)
}

func (s *objects) DeleteRefresh(ctx context.Context, id string) error {
	return refreshTokens.delete(ctx, s, id)
}

func (s *objects) DeletePassword(ctx context.Context, email string) error {
	return passwords.delete(ctx, s, strings.ToLower(email))
}

func (s *objects) DeleteOfflineSessions(ctx context.Context, userID, connID string) error {
	return offlineSessions.delete(ctx, s, pair(userID, connID))
}

func (s *objects) DeleteUserIdentity(ctx context.Context, userID, connID string) error {
	return userIdentities.delete(ctx, s, pair(userID, connID))
}

func (s *objects) DeleteAuthSession(ctx context.Context, id string) error {
	return authSessions.delete(ctx, s, id)
}

func (s *objects) UpdateAuthRequest(ctx context.Context, id string, update updater[storage.AuthRequest]) error {
	return authRequests.update(ctx, s, id, update)
}

func (s *objects) UpdateClient(ctx context.Context, id string, update updater[storage.Client]) error {
	return clients.update(ctx, s, id, update)
}

func (s *objects) UpdateConnector(ctx context.Context, id string, update updater[storage.Connector]) error {
	return connectors.update(ctx, s, id, update)
}

func (s *objects) UpdateRefreshToken(ctx context.Context, id string, update updater[storage.RefreshToken]) error {
	return refreshTokens.update(ctx, s, id, update)
}

func (s *objects) UpdatePassword(ctx context.Context, email string, update updater[storage.Password]) error {
	return passwords.update(ctx, s, strings.ToLower(email), update)
}

func (s *objects) UpdateOfflineSessions(ctx context.Context, userID, connID string, update updater[storage.OfflineSessions]) error {
	return offlineSessions.update(ctx, s, pair(userID, connID), update)
}

func (s *objects) UpdateUserIdentity(ctx context.Context, userID, connID string, update updater[storage.UserIdentity]) error {
	return userIdentities.update(ctx, s, pair(userID, connID), update)
}

func (s *objects) UpdateAuthSession(ctx context.Context, id string, update updater[storage.AuthSession]) error {
	return authSessions.update(ctx, s, id, update)
}

func (s *objects) UpdateDeviceToken(ctx context.Context, deviceCode string, update updater[storage.DeviceToken]) error {
	return deviceTokens.update(ctx, s, deviceCode, update)
}

// UpdateKeys also makes the first keys: there is one document, made on demand.
func (s *objects) UpdateKeys(ctx context.Context, update updater[storage.Keys]) error {
	err := keys.update(ctx, s, s.keys, update)
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	first, err := update(storage.Keys{})
	if err != nil {
		return err
	}
	err = keys.createAs(ctx, s, s.keys, first)
	if errors.Is(err, storage.ErrAlreadyExists) {
		return keys.update(ctx, s, s.keys, update)
	}
	return err
}

// GarbageCollect deletes what has expired.
func (s *objects) GarbageCollect(ctx context.Context, now time.Time) (storage.GCResult, error) {
	var n storage.GCResult
	counts := map[string]*int64{
		authRequests.name:   &n.AuthRequests,
		authCodes.name:      &n.AuthCodes,
		deviceRequests.name: &n.DeviceRequests,
		deviceTokens.name:   &n.DeviceTokens,
		authSessions.name:   &n.AuthSessions,
	}
	err := s.update(ctx, func(tx *db.Tx) error {
		for name, count := range counts {
			deleted, err := deleteExpired(ctx, tx, name, now)
			if err != nil {
				return err
			}
			*count = deleted
		}
		return nil
	})
	if err == nil {
		n.AuthRequests += s.requests.DeleteExpired(now)
	}
	return n, err
}
