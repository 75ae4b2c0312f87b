package dexstore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/dexidp/dex/storage"

	"pachyderm/internal/db"
)

// The kinds. Their names are stored: do not change them.
var (
	authRequests    = kind[storage.AuthRequest]{"auth_request", func(v storage.AuthRequest) string { return v.ID }, func(v storage.AuthRequest) time.Time { return v.Expiry }}
	authCodes       = kind[storage.AuthCode]{"auth_code", func(v storage.AuthCode) string { return v.ID }, func(v storage.AuthCode) time.Time { return v.Expiry }}
	clients         = kind[storage.Client]{"client", func(v storage.Client) string { return v.ID }, nil}
	connectors      = kind[storage.Connector]{"connector", func(v storage.Connector) string { return v.ID }, nil}
	refreshTokens   = kind[storage.RefreshToken]{"refresh_token", func(v storage.RefreshToken) string { return v.ID }, nil}
	passwords       = kind[storage.Password]{"password", func(v storage.Password) string { return strings.ToLower(v.Email) }, nil}
	offlineSessions = kind[storage.OfflineSessions]{"offline_sessions", func(v storage.OfflineSessions) string { return pair(v.UserID, v.ConnID) }, nil}
	userIdentities  = kind[storage.UserIdentity]{"user_identity", func(v storage.UserIdentity) string { return pair(v.UserID, v.ConnectorID) }, nil}
	authSessions    = kind[storage.AuthSession]{"auth_session", func(v storage.AuthSession) string { return v.ID }, sessionExpiry}
	deviceRequests  = kind[storage.DeviceRequest]{"device_request", func(v storage.DeviceRequest) string { return v.UserCode }, func(v storage.DeviceRequest) time.Time { return v.Expiry }}
	deviceTokens    = kind[storage.DeviceToken]{"device_token", func(v storage.DeviceToken) string { return v.DeviceCode }, func(v storage.DeviceToken) time.Time { return v.Expiry }}
	keys            = kind[storage.Keys]{"keys", func(storage.Keys) string { return keysID }, nil}
)

const keysID = "signing"

// pair joins two ids; the length keeps ("a", "b/c") apart from ("a/b", "c").
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
func (s *Store) CreateAuthRequest(ctx context.Context, v storage.AuthRequest) error {
	return authRequests.create(ctx, s, v)
}

func (s *Store) CreateAuthCode(ctx context.Context, v storage.AuthCode) error {
	return authCodes.create(ctx, s, v)
}

func (s *Store) CreateClient(ctx context.Context, v storage.Client) error {
	return clients.create(ctx, s, v)
}

func (s *Store) CreateConnector(ctx context.Context, v storage.Connector) error {
	return connectors.create(ctx, s, v)
}

func (s *Store) CreateRefresh(ctx context.Context, v storage.RefreshToken) error {
	return refreshTokens.create(ctx, s, v)
}

func (s *Store) CreatePassword(ctx context.Context, v storage.Password) error {
	return passwords.create(ctx, s, v)
}

func (s *Store) CreateOfflineSessions(ctx context.Context, v storage.OfflineSessions) error {
	return offlineSessions.create(ctx, s, v)
}

func (s *Store) CreateUserIdentity(ctx context.Context, v storage.UserIdentity) error {
	return userIdentities.create(ctx, s, v)
}

func (s *Store) CreateAuthSession(ctx context.Context, v storage.AuthSession) error {
	return authSessions.create(ctx, s, v)
}

func (s *Store) CreateDeviceRequest(ctx context.Context, v storage.DeviceRequest) error {
	return deviceRequests.create(ctx, s, v)
}

func (s *Store) CreateDeviceToken(ctx context.Context, v storage.DeviceToken) error {
	return deviceTokens.create(ctx, s, v)
}

func (s *Store) GetAuthRequest(ctx context.Context, id string) (storage.AuthRequest, error) {
	return authRequests.get(ctx, s, id)
}

func (s *Store) GetAuthCode(ctx context.Context, id string) (storage.AuthCode, error) {
	return authCodes.get(ctx, s, id)
}

func (s *Store) GetClient(ctx context.Context, id string) (storage.Client, error) {
	return clients.get(ctx, s, id)
}

func (s *Store) GetConnector(ctx context.Context, id string) (storage.Connector, error) {
	return connectors.get(ctx, s, id)
}

func (s *Store) GetRefresh(ctx context.Context, id string) (storage.RefreshToken, error) {
	return refreshTokens.get(ctx, s, id)
}

func (s *Store) GetPassword(ctx context.Context, email string) (storage.Password, error) {
	return passwords.get(ctx, s, strings.ToLower(email))
}

func (s *Store) GetOfflineSessions(ctx context.Context, userID, connID string) (storage.OfflineSessions, error) {
	return offlineSessions.get(ctx, s, pair(userID, connID))
}

func (s *Store) GetUserIdentity(ctx context.Context, userID, connID string) (storage.UserIdentity, error) {
	return userIdentities.get(ctx, s, pair(userID, connID))
}

func (s *Store) GetAuthSession(ctx context.Context, id string) (storage.AuthSession, error) {
	return authSessions.get(ctx, s, id)
}

func (s *Store) GetDeviceRequest(ctx context.Context, userCode string) (storage.DeviceRequest, error) {
	return deviceRequests.get(ctx, s, userCode)
}

func (s *Store) GetDeviceToken(ctx context.Context, deviceCode string) (storage.DeviceToken, error) {
	return deviceTokens.get(ctx, s, deviceCode)
}

// GetKeys returns no keys, and no error, before the first are made.
func (s *Store) GetKeys(ctx context.Context) (storage.Keys, error) {
	v, err := keys.get(ctx, s, keysID)
	if errors.Is(err, storage.ErrNotFound) {
		return storage.Keys{}, nil
	}
	return v, err
}

func (s *Store) ListClients(ctx context.Context) ([]storage.Client, error) {
	return clients.list(ctx, s)
}

func (s *Store) ListConnectors(ctx context.Context) ([]storage.Connector, error) {
	return connectors.list(ctx, s)
}

func (s *Store) ListRefreshTokens(ctx context.Context) ([]storage.RefreshToken, error) {
	return refreshTokens.list(ctx, s)
}

func (s *Store) ListPasswords(ctx context.Context) ([]storage.Password, error) {
	return passwords.list(ctx, s)
}

func (s *Store) ListUserIdentities(ctx context.Context) ([]storage.UserIdentity, error) {
	return userIdentities.list(ctx, s)
}

func (s *Store) ListAuthSessions(ctx context.Context) ([]storage.AuthSession, error) {
	return authSessions.list(ctx, s)
}

func (s *Store) DeleteAuthRequest(ctx context.Context, id string) error {
	return authRequests.delete(ctx, s, id)
}

func (s *Store) DeleteAuthCode(ctx context.Context, id string) error {
	return authCodes.delete(ctx, s, id)
}

func (s *Store) DeleteClient(ctx context.Context, id string) error { return clients.delete(ctx, s, id) }

func (s *Store) DeleteConnector(ctx context.Context, id string) error {
	return connectors.delete(ctx, s, id)
}

func (s *Store) DeleteRefresh(ctx context.Context, id string) error {
	return refreshTokens.delete(ctx, s, id)
}

func (s *Store) DeletePassword(ctx context.Context, email string) error {
	return passwords.delete(ctx, s, strings.ToLower(email))
}

func (s *Store) DeleteOfflineSessions(ctx context.Context, userID, connID string) error {
	return offlineSessions.delete(ctx, s, pair(userID, connID))
}

func (s *Store) DeleteUserIdentity(ctx context.Context, userID, connID string) error {
	return userIdentities.delete(ctx, s, pair(userID, connID))
}

func (s *Store) DeleteAuthSession(ctx context.Context, id string) error {
	return authSessions.delete(ctx, s, id)
}

func (s *Store) UpdateAuthRequest(ctx context.Context, id string, updater func(storage.AuthRequest) (storage.AuthRequest, error)) error {
	return authRequests.update(ctx, s, id, updater)
}

func (s *Store) UpdateClient(ctx context.Context, id string, updater func(storage.Client) (storage.Client, error)) error {
	return clients.update(ctx, s, id, updater)
}

func (s *Store) UpdateConnector(ctx context.Context, id string, updater func(storage.Connector) (storage.Connector, error)) error {
	return connectors.update(ctx, s, id, updater)
}

func (s *Store) UpdateRefreshToken(ctx context.Context, id string, updater func(storage.RefreshToken) (storage.RefreshToken, error)) error {
	return refreshTokens.update(ctx, s, id, updater)
}

func (s *Store) UpdatePassword(ctx context.Context, email string, updater func(storage.Password) (storage.Password, error)) error {
	return passwords.update(ctx, s, strings.ToLower(email), updater)
}

func (s *Store) UpdateOfflineSessions(ctx context.Context, userID, connID string, updater func(storage.OfflineSessions) (storage.OfflineSessions, error)) error {
	return offlineSessions.update(ctx, s, pair(userID, connID), updater)
}

func (s *Store) UpdateUserIdentity(ctx context.Context, userID, connID string, updater func(storage.UserIdentity) (storage.UserIdentity, error)) error {
	return userIdentities.update(ctx, s, pair(userID, connID), updater)
}

func (s *Store) UpdateAuthSession(ctx context.Context, id string, updater func(storage.AuthSession) (storage.AuthSession, error)) error {
	return authSessions.update(ctx, s, id, updater)
}

func (s *Store) UpdateDeviceToken(ctx context.Context, deviceCode string, updater func(storage.DeviceToken) (storage.DeviceToken, error)) error {
	return deviceTokens.update(ctx, s, deviceCode, updater)
}

// UpdateKeys also makes the first keys: there is one document, made on demand.
func (s *Store) UpdateKeys(ctx context.Context, updater func(storage.Keys) (storage.Keys, error)) error {
	err := keys.update(ctx, s, keysID, updater)
	if !errors.Is(err, storage.ErrNotFound) {
		return err
	}
	first, err := updater(storage.Keys{})
	if err != nil {
		return err
	}
	err = keys.create(ctx, s, first)
	if errors.Is(err, storage.ErrAlreadyExists) {
		return keys.update(ctx, s, keysID, updater)
	}
	return err
}

// GarbageCollect deletes what has expired.
func (s *Store) GarbageCollect(ctx context.Context, now time.Time) (storage.GCResult, error) {
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
	return n, err
}

// EndRefresh deletes the refresh tokens of a person at a connector and returns
// how many there were.
func (s *Store) EndRefresh(ctx context.Context, userID, connID string) (n int64, err error) {
	sessions, err := s.GetOfflineSessions(ctx, userID, connID)
	if errors.Is(err, storage.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	for _, ref := range sessions.Refresh {
		switch err := s.DeleteRefresh(ctx, ref.ID); {
		case err == nil:
			n++
		case !errors.Is(err, storage.ErrNotFound):
			return n, err
		}
	}
	return n, s.DeleteOfflineSessions(ctx, userID, connID)
}
