package api

import (
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"github.com/sqlpushgateway/sqlpushgateway/repository"
)

// deleteGroup deletes the group of the path, or with ?recursive=true all
// groups that have its labels. That there is none is no error.
func (s *Server) deleteGroup(c echo.Context) error {
	r := c.Request()
	key, err := s.groupingKey(r.URL.Path)
	if err != nil {
		return err
	}
	recursive := s.opt.RecursiveDelete
	if values, ok := c.QueryParams()["recursive"]; ok {
		recursive = values[0] == strconv.FormatBool(true)
		if len(values) > 1 || !recursive && values[0] != strconv.FormatBool(false) {
			return echo.NewHTTPError(http.StatusBadRequest, "the parameter recursive must be true or false, once")
		}
	}
	ctx, cancel, err := s.change(r)
	if err != nil {
		return err
	}
	defer cancel()
	err = s.gateway.Delete(ctx, repository.Deletion{
		Request: s.request(r, repository.Delete), Key: key, Recursive: recursive,
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusAccepted)
}
